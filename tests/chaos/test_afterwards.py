"""When all is over, each process must be ready, hold the newest catalogue and have nothing stuck."""

import httpx
import pytest

from chaos import afterwards
from demo.checks.imbalance import Imbalance

METRICS = """# HELP lienthong_x_release Release in force
lienthong_x_release {release}
lienthong_bus_outbox_parked{{service="x"}} {parked}
"""
PROCESSES = {"a": "http://a", "b": "http://b"}


def look(*, ready: int = 200, release: float = 3.0, parked: float = 0.0) -> list[Imbalance]:
    """Look at two processes, of which the second one is as it is said."""

    def answer(request: httpx.Request) -> httpx.Response:
        second = request.url.host == "b"
        if request.url.path == "/health/ready":
            return httpx.Response(ready if second else 200)
        values = {"release": release, "parked": parked} if second else {"release": 3.0, "parked": 0.0}
        return httpx.Response(200, text=METRICS.format(**values))

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        return afterwards.look(PROCESSES, client)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(afterwards, "SECONDS_MAX", 0.0)


def test_all_is_well_when_all_are_ready_and_alike() -> None:
    assert look() == []


def test_it_is_noticed_that_a_process_is_not_ready() -> None:
    assert [(each.kind, each.subject) for each in look(ready=503)] == [("not_ready", "b")]


def test_it_is_noticed_that_a_process_has_missed_a_release() -> None:
    assert [(each.kind, each.subject) for each in look(release=2.0)] == [("release_missing", "b")]


def test_it_is_noticed_that_events_are_parked() -> None:
    assert [(each.kind, each.subject) for each in look(parked=1.0)] == [("outbox_parked", "b")]
