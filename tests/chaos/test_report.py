"""The summary counts each imbalance as what it is, and a run is good only when all was broken and nothing is wrong."""

from pathlib import Path

import pytest

from chaos.breaker import Broken
from chaos.plan import plan
from chaos.report import Result, kind_of
from demo.checks.imbalance import Imbalance
from tests.demo.test_checker import SPOILERS, balance_of
from tests.demo.world import world

BROKEN = tuple(Broken(fault, fault.targets, 1.0) for fault in plan(3, 1))


def result(**changes: object) -> Result:
    values: dict[str, object] = {
        "seed": 1,
        "planned": len(BROKEN),
        "broken": BROKEN,
        "imbalances": (),
        "sent_count": 9,
        "again_count": 2,
        "unanswered_count": 0,
        "unwilling": {503: 1},
        "seconds": 1.0,
        "data": Path(),
    }
    return Result(**values | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "counted_as"),
    [
        ("version_missing", "lost"),
        ("package_not_acknowledged", "lost"),
        ("judgement_doubled", "doubled"),
        ("out_of_order", "out of order"),
        ("mail_unexpected", "wrongly nagged"),
        ("mail_doubled", "wrongly nagged"),
        ("mail_missing", "lost"),
        ("verdict_wrong", "otherwise wrong"),
    ],
)
def test_an_imbalance_is_counted_as(kind: str, counted_as: str) -> None:
    assert kind_of(Imbalance(kind, "x", "y")) == counted_as


@pytest.mark.parametrize("name", SPOILERS)
def test_a_run_is_not_good_when(name: str) -> None:
    _, spoil = SPOILERS[name]
    assert not result(imbalances=balance_of(spoil(world())).imbalances).good


def test_a_run_that_broke_all_and_balances_is_good() -> None:
    assert result().good


def test_a_run_that_did_not_break_all_is_not_good() -> None:
    assert not result(planned=len(BROKEN) + 1).good


def test_a_run_that_was_broken_off_is_not_good() -> None:
    assert not result(trouble="NotSettledError").good
