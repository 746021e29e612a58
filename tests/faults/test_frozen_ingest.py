"""A replica of ingest is frozen, slow or gone while it holds a punctual request: its unit is not called late."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest
import pytest_asyncio

from demo.facts import DeadlineFact, Notification, Received
from demo.wire import encoded, package_json
from deploy.embedded.service_part import ServicePart
from services.ingest.domain.watermark import SAFETY_SECONDS
from shared.failpoints import HIT, VARIABLE, Action
from tests.parts import until
from tests.system.agencies import Package, packages
from tests.system.town import Town, a_second, a_town

pytestmark = [pytest.mark.faults, pytest.mark.deep]

JUST_BEFORE = timedelta(seconds=3)
BEYOND = timedelta(seconds=SAFETY_SECONDS + 1)
LEASE_SECONDS = 5.0
PATIENCE_SECONDS = 90.0


@pytest_asyncio.fixture(scope="module")
async def town() -> AsyncIterator[Town]:
    async with a_town({"LIENTHONG_INGEST_LEASE_SECONDS": str(LEASE_SECONDS)}) as town:
        yield town


@pytest.fixture(scope="module")
def armed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the second replica's failpoints are armed."""
    return tmp_path_factory.mktemp("failpoints")


@pytest_asyncio.fixture(scope="module")
async def second(town: Town, armed: Path) -> AsyncIterator[ServicePart]:
    async with a_second("ingest", town, {VARIABLE: str(armed)}) as replica:
        yield replica


@pytest.fixture(scope="module")
def punctual(town: Town) -> Iterator[tuple[Package, datetime]]:
    """Packages, each with the first instant that is too late for it; each deadline once."""
    return _one_a_deadline(town)


def _one_a_deadline(town: Town) -> Iterator[tuple[Package, datetime]]:
    ends = {due.delivery: due.ends_at for due in town.sample.timetable.dues}
    seen: set[datetime] = set()
    far = max(ends.values())
    candidates = packages(town.sample, 85, open_at=far)
    for end in sorted(set(ends.values())):
        for package in candidates:
            if {ends[str(each)] for each in package.deliveries} == {end} and end not in seen:
                seen.add(end)
                yield package, end


async def post(town: Town, url: str, package: Package) -> httpx.Response:
    return await town.client.post(
        f"{url}/v1/packages",
        content=encoded(package_json(package.body, numbers=False)),
        headers={
            "Content-Type": "application/json",
            "Authorization": f"Bearer {town.agencies.addresses.unit_tokens[package.unit]}",
            "Idempotency-Key": package.key,
        },
        timeout=PATIENCE_SECONDS,
    )


@asynccontextmanager
async def request_standing(
    town: Town, replica: ServicePart, armed: Path, place: str, action: Action, package: Package
) -> AsyncIterator[asyncio.Task[httpx.Response]]:
    """Send a package to a replica that stands still at a place; it goes on at the end."""
    (armed / place).write_text(action)
    posting = asyncio.create_task(post(town, replica.url, package))
    hit = armed / f"{place}{HIT}"
    await until(hit.exists, seconds=20)
    if action is Action.STOP:
        await until(lambda: psutil.Process(replica.pid or 0).status() == psutil.STATUS_STOPPED)
    try:
        yield posting
    finally:
        hit.unlink()
        if action is Action.STOP and replica.pid is not None:
            psutil.Process(replica.pid).send_signal(signal.SIGCONT)


def changes(town: Town, package: Package) -> list[tuple[str, bool | None]]:
    """Return what became of the deadlines of a package: each change, and whether it was met in time."""
    deliveries = {str(each) for each in package.deliveries}
    facts = [fact for fact in town.reader.facts() if isinstance(fact, DeadlineFact) and fact.delivery in deliveries]
    return [(fact.change, fact.in_time) for fact in facts if fact.change in {"passed", "met"}]


async def others_are_late(town: Town, package: Package, end: datetime) -> None:
    """Wait until the deadline has passed for those who sent nothing, and they were told."""
    mine = {str(each) for each in package.deliveries}
    others = {due.delivery for due in town.sample.timetable.dues if due.ends_at == end} - mine

    def told() -> bool:
        steps = {step for fact in town.reader.facts() if isinstance(fact, Notification) for step in fact.steps}
        return {(other, "passed") for other in others} <= steps

    await until(told, seconds=60)


def nobody_punctual_was_called_late(town: Town, package: Package) -> None:
    assert changes(town, package) == [("met", True)] * len(package.deliveries)
    deliveries = {str(each) for each in package.deliveries}
    facts = town.reader.facts()
    notified = {step for fact in facts if isinstance(fact, Notification) for step in fact.steps}
    assert not {(delivery, "passed") for delivery in deliveries} & notified
    versions = [fact.version for fact in facts if isinstance(fact, Received) and fact.delivery in deliveries]
    assert versions == [1] * len(package.deliveries)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("place", "action", "seconds"),
    [
        pytest.param("ingest.before_commit", Action.STOP, LEASE_SECONDS, id="frozen-beyond-its-lease-in-the-commit"),
        pytest.param("ingest.body_ended", Action.HOLD, LEASE_SECONDS, id="slow"),
    ],
)
async def test_a_punctual_package_in_a_replica_that_stands_still_is_waited_for(
    town: Town,
    second: ServicePart,
    armed: Path,
    punctual: Iterator[tuple[Package, datetime]],
    place: str,
    action: Action,
    seconds: float,
) -> None:
    package, end = next(punctual)
    await town.move_clock(end - JUST_BEFORE)
    async with request_standing(town, second, armed, place, action, package) as posting:
        assert town.now() < end, "it was punctual"
        await until(lambda: town.now() > end + BEYOND)
        await asyncio.sleep(seconds)
        watermark = town.reader.watermark()
        assert watermark is not None
        assert watermark < end
    response = await posting
    assert response.status_code == 202, response.text
    await others_are_late(town, package, end)
    nobody_punctual_was_called_late(town, package)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "place",
    [
        "ingest.body_ended",
        # What it has locked is free only when the database has ended its session, after 45 s.
        pytest.param("ingest.before_commit", marks=pytest.mark.deep),
    ],
)
async def test_a_replica_frozen_beyond_its_lease_is_left_behind_and_commits_nothing_when_it_goes_on(
    town: Town, second: ServicePart, armed: Path, punctual: Iterator[tuple[Package, datetime]], place: str
) -> None:
    """The sender gives up waiting and comes again, in time, to the other replica, which also takes over the slots."""
    package, end = next(punctual)
    await town.move_clock(end - timedelta(minutes=5))
    async with request_standing(town, second, armed, place, Action.STOP, package) as posting:
        again = await post(town, town.stack.addresses.ingest, package)
        assert again.status_code == 202, again.text
        await town.move_clock(end + timedelta(minutes=5))
        await town.watermark_is_past(end, seconds=60)
        assert not posting.done()
    response = await posting
    assert response.status_code == 503, response.text
    await others_are_late(town, package, end)
    nobody_punctual_was_called_late(town, package)

    async def ready() -> bool:
        return await second.missing(town.client) is None

    await until(ready, seconds=60)


@pytest.mark.timeout(300)
async def test_a_replica_that_is_killed_holds_the_watermark_no_longer_than_its_lease(
    town: Town, tmp_path: Path, punctual: Iterator[tuple[Package, datetime]]
) -> None:
    """It dies with a punctual request in its hands; the sender comes again, in time, to the other one."""
    package, end = next(punctual)
    await town.move_clock(end - timedelta(minutes=5))
    async with a_second("ingest", town, {VARIABLE: str(tmp_path)}) as third:
        (tmp_path / "ingest.body_ended").write_text(Action.KILL)
        with pytest.raises(httpx.TransportError):
            await post(town, third.url, package)
        again = await post(town, town.stack.addresses.ingest, package)
        assert again.status_code == 202, again.text
        await town.move_clock(end + timedelta(minutes=5))
        await town.watermark_is_past(end, seconds=60)
    await others_are_late(town, package, end)
    nobody_punctual_was_called_late(town, package)


@pytest.mark.timeout(300)
async def test_without_its_row_in_the_sources_a_punctual_unit_is_called_late(
    town: Town, tmp_path: Path, punctual: Iterator[tuple[Package, datetime]]
) -> None:
    """The negative control: the replica's doors are no source of the watermark."""
    package, end = next(punctual)
    command = [sys.executable, "-m", "tests.faults.sourceless_ingest"]
    async with a_second("ingest", town, {VARIABLE: str(tmp_path)}, command) as sourceless:
        await town.move_clock(end - JUST_BEFORE)
        async with request_standing(town, sourceless, tmp_path, "ingest.body_ended", Action.HOLD, package) as posting:
            assert town.now() < end, "it was punctual"
            await until(lambda: ("passed", None) in changes(town, package), seconds=30)
        assert (await posting).status_code == 202
        await until(lambda: ("met", True) in changes(town, package), seconds=30)
        with pytest.raises(AssertionError):
            nobody_punctual_was_called_late(town, package)
