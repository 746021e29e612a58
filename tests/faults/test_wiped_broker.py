"""The broker loses its disk: topics are made again, everything published is published again, the books balance."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio
from confluent_kafka import Producer

from demo.facts import Answer, DeadlineFact, Notification
from demo.mailbox import MailboxReader
from demo.topics import TopicReader
from demo.wire import cloud_event
from deploy.embedded.kafka import EmbeddedKafka
from deploy.embedded.stack import DEFAULT_START
from tests.parts import until
from tests.system.agencies import Package, packages
from tests.system.books import disorder
from tests.system.town import Town, a_town

pytestmark = [pytest.mark.faults, pytest.mark.deep, pytest.mark.timeout(400)]

UNREAD_COUNT = 20
IN_FLIGHT_COUNT = 60
BACK_SECONDS_MAX = 90.0


@pytest_asyncio.fixture(scope="module")
async def town() -> AsyncIterator[Town]:
    async with a_town() as town:
        yield town


async def wiped(town: Town, *held: str) -> set[str]:
    """Take the broker's disk away, then let held services go on; return the ids of the events that were lost."""
    town.reader.stop()
    before = event_ids(town)
    kafka = town.stack.part("kafka")
    assert isinstance(kafka, EmbeddedKafka)
    await town.stack.hold(kafka.name)
    kafka.wipe()
    await town.stack.let_go(kafka.name)
    await asyncio.gather(*(town.stack.let_go(name) for name in held))
    await read_anew(town)
    return before


async def read_anew(town: Town) -> None:
    """Whoever reads from outside begins again, too, as soon as the topics are there."""
    town.reader = TopicReader(town.stack.addresses.bootstrap_servers, town.agencies.kafka_units)
    await until(lambda: not town.reader.missing_topics(), BACK_SECONDS_MAX, every=0.5)
    town.reader.start()


def event_ids(town: Town) -> set[str]:
    return {fact.event_id for fact in town.reader.facts()}


async def all_is_published_again(town: Town, before: set[str]) -> None:
    await until(lambda: before <= event_ids(town), BACK_SECONDS_MAX)


async def settled(town: Town) -> None:
    """Wait until the books balance, or say what is wrong with them; nothing may be out of order either."""
    with suppress(TimeoutError):
        await town.settle()
    assert town.imbalances() == []
    assert disorder(town.reader.facts()) == []


def tellings(town: Town) -> Counter[tuple[str, str, str]]:
    """Count the mails by delivery, step and address; the same `Message-ID` twice is one mail."""
    with httpx.Client() as client:
        mails = {mail.message_id: mail for mail in MailboxReader(town.stack.addresses.mailbox or "", client).mails()}
    return Counter((*step, address) for mail in mails.values() for step in mail.steps for address in mail.to)


async def test_verdicts_and_deadlines_that_nobody_had_read_reach_their_readers(town: Town) -> None:
    """Notify and the catalogue lie still while the events for them are published, and lost."""
    dues = [due for due in town.sample.timetable.dues if due.ends_at > town.now()]
    end = min(due.ends_at for due in dues if due.delivery not in town.agencies.acknowledged)
    due_then = {due.delivery for due in dues if due.ends_at == end}
    late = due_then - town.agencies.acknowledged.keys()

    def changed(change: str, deliveries: set[str]) -> bool:
        facts = [fact for fact in town.reader.facts() if isinstance(fact, DeadlineFact)]
        return deliveries <= {fact.delivery for fact in facts if fact.change == change}

    await town.stack.hold("notify")
    await town.move_clock(end + timedelta(minutes=1))
    await until(lambda: changed("passed", late), 60)
    await town.stack.hold("catalogue")
    sending = [
        package
        for package in packages(town.sample, 85, open_at=DEFAULT_START)
        if due_then.isdisjoint(str(delivery) for delivery in package.deliveries)
    ][:UNREAD_COUNT]
    await town.send(sending)
    await until(lambda: not town.imbalances(), 60)
    before = await wiped(town, "catalogue", "notify")
    await all_is_published_again(town, before)
    await settled(town)
    met = {str(delivery) for package in sending for delivery in package.deliveries}
    await until(lambda: changed("met", met), 60)

    def told() -> bool:
        facts = [fact for fact in town.reader.facts() if isinstance(fact, Notification)]
        return {(delivery, "passed") for delivery in late} <= {step for fact in facts for step in fact.steps}

    await until(told, 60)
    assert [telling for telling, count in tellings(town).items() if count > 1] == [], "nobody is told twice"
    assert not {delivery for delivery, step, _ in tellings(town) if step == "passed"} & met


async def test_submissions_in_flight_arrive_once_when_agencies_send_again_what_had_no_receipt(town: Town) -> None:
    sending = packages(town.sample, IN_FLIGHT_COUNT, open_at=DEFAULT_START)
    wanted = town.agencies.by_http + town.agencies.by_kafka + IN_FLIGHT_COUNT // 3
    async with town.sending(sending) as task:
        await until(lambda: town.agencies.by_http + town.agencies.by_kafka >= wanted, 60)
        before = await wiped(town)
        await task
    await all_is_published_again(town, before)
    await send_again(town, sending)
    await settled(town)


async def send_again(town: Town, sent: Sequence[Package]) -> None:
    """Send again, with the same ids, what came by Kafka and had no `received` answer: the guide's rule."""
    received = {fact.answers_id for fact in town.reader.facts() if isinstance(fact, Answer) and fact.kind == "received"}
    producer = Producer({"bootstrap.servers": town.stack.addresses.bootstrap_servers, "acks": "all"})
    for package in sent:
        if package.unit in town.agencies.kafka_units and package.key not in received:
            headers, value = cloud_event(package.body, f"urn:test:{package.unit.lower()}", package.key)
            producer.produce(f"agency.{package.unit}.submissions", value=value, headers=list(headers))
    assert await asyncio.to_thread(producer.flush, 60) == 0


async def test_an_idle_town_has_all_events_and_figures_again_and_goes_on(town: Town) -> None:
    figures = town.reader.figures()
    assert figures
    before = await wiped(town)
    await all_is_published_again(town, before)
    await until(lambda: town.reader.figures() == figures, BACK_SECONDS_MAX)
    await town.send(packages(town.sample, 5, open_at=DEFAULT_START))
    await settled(town)
