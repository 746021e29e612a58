"""The mechanisms together lose, double and reorder nothing, and each of them is needed: hypothesis finds out."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Delivery, HastyDelivery
from tests.model.system import Mechanisms, Reader, Relay

STEP_COUNT = 15
ALL = Mechanisms()


def search(machine: type[Delivery], mechanisms: Mechanisms, example_count: int) -> None:
    """Look for a run that breaks a promise, always in the same places; raises what it broke."""
    run_state_machine_as_test(
        type("Searched", (machine,), {"mechanisms": mechanisms}),
        settings=settings(
            max_examples=example_count,
            stateful_step_count=STEP_COUNT,
            derandomize=True,
            database=None,
            deadline=None,
            phases=(Phase.generate,),
            report_multiple_bugs=False,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


@pytest.mark.parametrize("machine", [Delivery, HastyDelivery])
def test_nothing_is_lost_doubled_or_reordered_and_nobody_is_called_late(machine: type[Delivery]) -> None:
    search(machine, ALL, example_count=100)


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("machine", [Delivery, HastyDelivery])
def test_nothing_is_lost_doubled_or_reordered_in_many_runs(machine: type[Delivery]) -> None:
    search(machine, ALL, example_count=50_000)


@pytest.mark.parametrize(
    ("machine", "without", "harm"),
    [
        pytest.param(Delivery, replace(ALL, unit_lock=False), "out of order", id="the writer's lock"),
        pytest.param(HastyDelivery, replace(ALL, after=False), "called late", id="the watermark's `after`"),
        pytest.param(
            Delivery, replace(ALL, database_before_offsets=False), "lost|late|order", id="database before offsets"
        ),
        pytest.param(Delivery, replace(ALL, inbox=False), "done twice", id="the inbox"),
        pytest.param(
            Delivery, replace(ALL, forgotten_first=False), "order|late|stands", id="forgotten rows before unsent ones"
        ),
    ],
)
def test_without_one_mechanism_a_promise_is_broken(machine: type[Delivery], without: Mechanisms, harm: str) -> None:
    with pytest.raises(AssertionError, match=harm):
        search(machine, without, example_count=3_000)


def test_a_watermark_names_the_event_that_was_sent_last_not_the_one_with_the_highest_identity() -> None:
    """What hypothesis would find once in a million runs: B overtakes A, and the reader has B alone when all is lost."""
    model = HastyDelivery()
    relay, reader, writers = model.relays[0], model.readers[0], model.writers
    writers.receive("A")
    writers.receive("B")
    first, second = writers.drawn
    writers.commit(second)
    steps(relay, reader)
    writers.commit(first)
    steps(relay)
    writers.write_watermark()
    relay.step()
    model.broker.wipe()
    steps(relay, reader)
    assert (reader.effects, reader.watermark) == ([second], 0)
    model.holds()


def steps(*parts: Relay | Reader) -> None:
    for part in parts:
        for _ in range(3):
            part.step()
