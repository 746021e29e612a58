"""The database or the broker goes away, freezes or takes no writes, while agencies go on sending as they would."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
import pytest_asyncio

from demo.facts import DeadLetter, Notification
from deploy.embedded.stack import DEFAULT_START, SERVICES
from tests.faults.outages import Outage, frozen, killed, read_only, without_space
from tests.faults.post import MOODS, Post
from tests.notify.smtp_scripts import HOST
from tests.parts import until
from tests.system.agencies import Package, packages
from tests.system.books import disorder
from tests.system.town import Town, a_town

pytestmark = [pytest.mark.faults, pytest.mark.deep]

PACKAGE_COUNT = 30
SECONDS = 11.0
"""Longer than what a part's absence can wear out: the leases (10 s), a request to the broker (10 s), the group's
session (6 s), the longest pause between two tries (5 s). Only a statement's 60 s last longer."""
QUICK_MAIL = {
    "LIENTHONG_NOTIFY_SEND_TIMEOUT_SECONDS": "2",
    "LIENTHONG_NOTIFY_LEASE_SECONDS": "4",
    "LIENTHONG_NOTIFY_RETRY_FIRST_SECONDS": "0.2",
    "LIENTHONG_NOTIFY_RETRY_SECONDS_MAX": "1",
    "LIENTHONG_NOTIFY_MAILS_PER_SECOND_MAX": "5",
    "LIENTHONG_NOTIFY_MAILS_PER_CONNECTION_MAX": "2",
}
LONG = [
    pytest.param("postgres", killed, 20.0, id="postgres-killed-20s", marks=pytest.mark.deep),
    pytest.param("postgres", frozen, 20.0, id="postgres-frozen-20s", marks=pytest.mark.deep),
    pytest.param("postgres", frozen, 70.0, id="postgres-frozen-70s", marks=pytest.mark.deep),
    pytest.param("postgres", without_space, 60.0, id="postgres-without_space-60s", marks=pytest.mark.deep),
    pytest.param("kafka", killed, 60.0, id="kafka-killed-60s", marks=pytest.mark.deep),
    pytest.param("kafka", frozen, 60.0, id="kafka-frozen-60s", marks=pytest.mark.deep),
    pytest.param("kafka", without_space, 60.0, id="kafka-without_space-60s", marks=pytest.mark.deep),
]


@pytest_asyncio.fixture(scope="module")
async def post() -> AsyncIterator[Post]:
    post = Post()
    await post.open()
    yield post
    await post.close()


@pytest_asyncio.fixture(scope="module")
async def town(post: Post) -> AsyncIterator[Town]:
    async with a_town(QUICK_MAIL, smtp_url=f"smtp://{HOST}:{post.port}") as town:
        yield town


def offered(town: Town) -> list[Package]:
    """Return packages for all deadlines but the first, whose reminders the mail server's moods are tried on."""
    dues = town.sample.timetable.dues
    first = min(due.ends_at for due in dues)
    mail_test = {due.delivery for due in dues if due.ends_at == first}
    others = [
        package
        for package in packages(town.sample, 85, open_at=DEFAULT_START)
        if not mail_test & {str(each) for each in package.deliveries}
    ]
    again = [Package(each.unit, each.body) for each in others]
    return [*others, *again][:PACKAGE_COUNT]


def by_http(town: Town) -> list[Package]:
    return [each for each in offered(town) if each.unit not in town.agencies.kafka_units][:3]


def named_by(town: Town, service: str, *checks: str) -> Callable[[], Awaitable[bool]]:
    """Return a condition: the service says that it lacks one of these."""

    async def condition() -> bool:
        return bool(await town.missing(service) & set(checks))

    return condition


async def all_is_in_order(town: Town) -> None:
    """Work has gone on by itself: the books balance, nothing was put aside, the watermark moves."""
    await town.settle()
    facts = town.reader.facts()
    assert town.imbalances() == []
    assert disorder(facts) == []
    assert [fact for fact in facts if isinstance(fact, DeadLetter)] == []
    before = town.reader.watermark()
    assert before is not None
    await until(lambda: (town.reader.watermark() or before) > before, seconds=30)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("part", "outage", "seconds"),
    [
        pytest.param("postgres", killed, 5.0, id="postgres-killed"),
        pytest.param("postgres", frozen, SECONDS, id="postgres-frozen"),
        pytest.param("postgres", read_only, 3.0, id="postgres-read_only"),
        pytest.param("postgres", without_space, 5.0, id="postgres-without_space"),
        pytest.param("kafka", killed, SECONDS, id="kafka-killed"),
        pytest.param("kafka", without_space, 5.0, id="kafka-without_space"),
        *LONG,
    ],
)
async def test_while_a_part_is_away_readiness_names_it_and_what_was_acknowledged_is_done_when_it_is_back(
    town: Town, part: str, outage: Outage, seconds: float
) -> None:
    check = {"postgres": "database", "kafka": "broker"}[part]
    refused = town.agencies.turned_away.total()
    async with outage(town.stack, part), town.sending(offered(town)) as sending:
        await asyncio.gather(*(until(named_by(town, each, check), seconds=30) for each in SERVICES))
        if part == "kafka":
            async with asyncio.timeout(30):
                await town.send(by_http(town))
        await asyncio.sleep(seconds)
    await sending
    await all_is_in_order(town)
    offered_in_vain = town.agencies.turned_away.total() - refused
    assert offered_in_vain > 0 if part == "postgres" else offered_in_vain == 0, "the HTTP door needs the database alone"


@pytest.mark.timeout(300)
async def test_services_that_freeze_one_after_the_other_do_nothing_twice_when_they_go_on(town: Town) -> None:
    """Their groups have given their partitions away, their sessions are closed, their leases are over."""
    async with town.sending(offered(town)) as sending, AsyncExitStack() as thawing:
        for name in SERVICES:
            await thawing.enter_async_context(frozen(town.stack, name))
            await asyncio.sleep(2)
        await asyncio.sleep(SECONDS)
    await sending
    await all_is_in_order(town)


@pytest.mark.deep
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_frozen_for_20_seconds_does_nothing_twice_when_it_goes_on(town: Town, name: str) -> None:
    async with frozen(town.stack, name), town.sending(offered(town)) as sending:
        await asyncio.sleep(20)
    await sending
    await all_is_in_order(town)


@pytest.mark.timeout(300)
async def test_whatever_the_mail_server_does_each_reminder_goes_out_once(town: Town, post: Post) -> None:
    timetable = town.sample.timetable
    at, owed = next(iter(timetable.instants().items()))
    (reminder,) = timetable.reminders
    wanted = {
        (contact.email, due.delivery, reminder.step)
        for due in timetable.dues
        if due.delivery in owed
        for contact in timetable.told(due, at)
    }
    moods = iter(MOODS)
    async with next(moods)(post):
        await town.move_clock(at + timedelta(minutes=1))
        await until(named_by(town, "notify", "mail_server"), seconds=30)
    for mood in moods:
        taken = len(post.taken)
        await until(lambda: len(post.taken) > taken, seconds=30)  # noqa: B023 -- done before the next round
        async with mood(post):
            await until(named_by(town, "notify", "mail_server"), seconds=30)
    await until(lambda: wanted <= post.told.keys(), seconds=60)
    assert {notice: count for notice, count in post.told.items() if notice in wanted} == dict.fromkeys(wanted, 1)
    notified = Counter(fact.change for fact in town.reader.facts() if isinstance(fact, Notification))
    assert notified["failed"] == 0
    await town.stack.wait_ready()
