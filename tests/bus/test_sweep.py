"""Promise 3: the broker is no source of truth. What it has forgotten is published again, before anything newer."""

import asyncio
import re
import shutil
import signal
import sys
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import CommitFailedError
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

from deploy.embedded.kafka import EmbeddedKafka
from shared.bus import Parts, slot_of
from shared.bus.clients import admin_client
from shared.bus.group_commits import COMMIT_OF_THE_LIBRARY, refuse_commits_of_strangers
from shared.bus.sweep import OVERLAP, Loss, PostgresSentRows, SentLane, compare
from shared.bus.topic_admin import ensure_topics
from shared.bus.unsent import UnsentRows
from shared.failpoints import HIT, VARIABLE, Action
from tests.bus.counter import BUS, Counter, make_counter
from tests.bus.events import CountedV1, topic_table
from tests.bus.kafka_tools import read_all
from tests.bus.nulls import NoSentRows, TardySentRows
from tests.parts import Broker, until

pytestmark = pytest.mark.faults

UNITS = ["SKHDT", "STC", "SCT"]
Change = Callable[[Parts], Parts]


def test_the_units_are_in_slots_of_their_own() -> None:
    assert len({slot_of(unit) for unit in UNITS}) == len(UNITS)


async def started(service: Counter) -> Counter:
    service.bus.start()
    await service.bus.wait_ready()
    return service


async def all_sent(service: Counter) -> bool:
    return all(row["sent_at"] is not None for row in await service.rows(BUS.outbox))


async def wipe(kafka: EmbeddedKafka) -> None:
    await kafka.kill()
    kafka.wipe()
    await kafka.start()


async def numbers_on(kafka: EmbeddedKafka, topic: str) -> dict[str, list[int]]:
    """Return each unit's numbers on a topic, as they come, doubles too."""
    order: defaultdict[str, list[int]] = defaultdict(list)
    for record in await read_all(kafka.bootstrap_servers, topic):
        order[(record.key or b"").decode()].append(CountedV1.model_validate_json(record.value or b"").number)
    return dict(order)


async def a_wiped_broker_gets_what_it_forgot_before_what_is_new(
    kafka: EmbeddedKafka, url: str, prefix: str, change: Change = replace
) -> None:
    service = make_counter(kafka.bootstrap_servers, url, prefix, change=change, consume=False)
    service.bus.relay._check_seconds = 0.2
    await started(service)
    for unit in UNITS[:2]:
        await service.count(unit, 1, 2, 3)
    await until(lambda: all_sent(service))
    before = service.bus.cluster.cluster_id
    await kafka.kill()
    kafka.wipe()
    await service.count(UNITS[0], 4, 5)  # unsent while the broker is away
    await kafka.start()
    await until(lambda: service.bus.cluster.cluster_id != before, seconds=30)
    await service.count(UNITS[0], 6)

    async def newest_is_there() -> bool:
        return await all_sent(service) and 6 in (await numbers_on(kafka, f"{prefix}.counted")).get(UNITS[0], [])

    try:
        await until(newest_is_there, seconds=30, every=0.2)
        await asyncio.sleep(1)  # for the controls: what comes late comes now
        assert await numbers_on(kafka, f"{prefix}.counted") == {UNITS[0]: [1, 2, 3, 4, 5, 6], UNITS[1]: [1, 2, 3]}
        assert {row["cluster_id"] for row in await service.rows(BUS.outbox)} == {service.bus.cluster.cluster_id}
    finally:
        await service.stop()


async def test_a_wiped_broker_gets_what_it_forgot_before_what_is_new(
    own_kafka: EmbeddedKafka, counter_database: str, prefix: str
) -> None:
    await a_wiped_broker_gets_what_it_forgot_before_what_is_new(own_kafka, counter_database, prefix)


async def test_without_the_sweep_a_wiped_broker_never_gets_what_it_forgot(
    own_kafka: EmbeddedKafka, counter_database: str, prefix: str
) -> None:
    with pytest.raises(AssertionError, match=r"'SKHDT': \[4, 5, 6\]"):
        await a_wiped_broker_gets_what_it_forgot_before_what_is_new(
            own_kafka, counter_database, prefix, lambda parts: replace(parts, sent_rows=NoSentRows())
        )


async def test_without_the_order_new_events_overtake_forgotten_ones(
    own_kafka: EmbeddedKafka, counter_database: str, prefix: str
) -> None:
    def change(parts: Parts) -> Parts:
        return replace(parts, sent_rows=TardySentRows(parts.sent_rows, UnsentRows(BUS.outbox)))

    with pytest.raises(AssertionError, match=r"'SKHDT': \[4, 5, 6?"):
        await a_wiped_broker_gets_what_it_forgot_before_what_is_new(own_kafka, counter_database, prefix, change)


async def test_a_process_killed_in_the_middle_of_a_sweep_repeats_it_harmlessly(
    own_kafka: EmbeddedKafka, own_folder: Path, counter_database: str, prefix: str
) -> None:
    """Killed with some rows unsent again, then with some published again and not marked: each effect is there once."""
    service = await started(make_counter(own_kafka.bootstrap_servers, counter_database, prefix))
    for unit in UNITS:
        await service.count(unit, *range(5))

    async def done(count: int) -> bool:
        return len(await service.effects()) >= len(UNITS) * count

    await until(lambda: done(5))
    await service.stop()
    unread = make_counter(own_kafka.bootstrap_servers, counter_database, prefix, consume=False)
    await started(unread)
    for unit in UNITS:
        await unread.count(unit, *range(5, 10))
    await until(lambda: all_sent(unread))
    await unread.stop()
    await wipe(own_kafka)
    for place in ("relay.sweep", "relay.before_mark"):
        (own_folder / place).write_text(Action.KILL)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bus.replica", own_kafka.bootstrap_servers, counter_database, prefix),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={VARIABLE: str(own_folder)},
        )
        assert await asyncio.wait_for(process.wait(), 30) == -signal.SIGKILL
        assert (own_folder / f"{place}{HIT}").exists()
    service = await started(make_counter(own_kafka.bootstrap_servers, counter_database, prefix))
    for unit in UNITS:
        await service.count(unit, 10)
    await until(lambda: done(11), seconds=30)
    assert {unit: await service.numbers(unit) for unit in UNITS} == {unit: list(range(11)) for unit in UNITS}
    await service.stop()


async def test_a_broker_back_from_an_old_copy_gets_what_it_lacks_and_its_readers_lose_nothing(
    own_kafka: EmbeddedKafka, counter_database: str, prefix: str
) -> None:
    """The same cluster id, with a log that ends earlier than what was sent."""
    service = make_counter(own_kafka.bootstrap_servers, counter_database, prefix)
    service.bus.relay._settle_seconds = 3.0
    await started(service)
    await service.count(UNITS[0], *range(5))

    async def effects(count: int) -> bool:
        return len(await service.effects()) >= count

    await until(lambda: effects(5))
    await until(lambda: all_sent(service))
    disk, copy = own_kafka.folder / "data", own_kafka.folder / "copy"
    await own_kafka.stop()
    shutil.copytree(disk, copy)
    await own_kafka.start()
    await service.count(UNITS[0], *range(5, 10))
    await until(lambda: effects(10), seconds=30)
    await until(lambda: all_sent(service))
    await own_kafka.kill()
    own_kafka.wipe()
    copy.rename(disk)
    await own_kafka.start()
    await service.count(UNITS[0], *range(10, 15))
    await until(lambda: effects(15), seconds=60)
    assert await service.numbers(UNITS[0]) == list(range(15))
    numbers = (await numbers_on(own_kafka, f"{prefix}.counted"))[UNITS[0]]
    assert list(dict.fromkeys(numbers)) == list(range(15))
    await service.stop()


async def a_late_commit_of_the_old_log(kafka: Broker, prefix: str) -> int | None:
    """Commit as a consumer does whose group the broker has just disowned; return what the broker then believes."""
    topic = topic_table(prefix).topic_of(f"{prefix}.echoed")
    await ensure_topics(kafka.bootstrap_servers, [topic])
    place = TopicPartition(topic.name, 0)
    consumer = AIOKafkaConsumer(
        topic.name, bootstrap_servers=kafka.bootstrap_servers, group_id=f"{prefix}.old", enable_auto_commit=False
    )
    await consumer.start()
    try:
        await until(lambda: place in consumer.assignment())
        coordinator: Any = consumer._coordinator
        coordinator.group_id = f"{prefix}.unknown"  # as to a broker that lost its disk
        coordinator.reset_generation()  # what aiokafka does when a heartbeat is answered so
        with suppress(CommitFailedError):
            await consumer.commit({place: 57})
    finally:
        await consumer.stop()
    async with admin_client(kafka.bootstrap_servers) as admin:
        found = await admin.list_consumer_group_offsets(f"{prefix}.unknown")
    return found[place].offset if place in found else None


async def test_an_offset_of_the_old_log_is_not_committed_to_the_new_one(kafka: Broker, prefix: str) -> None:
    refuse_commits_of_strangers()
    assert await a_late_commit_of_the_old_log(kafka, prefix) is None


async def test_without_the_check_what_lies_below_an_offset_of_the_old_log_would_never_be_read(
    kafka: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GroupCoordinator, "_do_commit_offsets", COMMIT_OF_THE_LIBRARY)
    assert await a_late_commit_of_the_old_log(kafka, prefix) == 57


LANE = ("counted", 3)


def test_what_is_forgotten_is_told_from_what_is_there_and_what_is_too_old() -> None:
    def losses(end: int, cluster: str = "now", written_over: int | None = None) -> list[Loss]:
        over = {} if written_over is None else {LANE: written_over}
        return list(compare([SentLane(cluster, LANE, 1_999)], {LANE: end}, "now", over).losses)

    assert losses(2_000) == [], "all there; where the log begins does not matter: that is retention"
    assert losses(2_000, "before") == [Loss("before", LANE, 0, shortened=False)]
    assert losses(1_900) == [Loss("now", LANE, 1_900 - OVERLAP, shortened=True)]
    assert losses(0) == [Loss("now", LANE, 0, shortened=True)]
    assert losses(2_000, written_over=1_500) == [Loss("now", LANE, 1_500 - OVERLAP, shortened=True)], "refilled since"
    assert compare([SentLane("now", LANE, 7)], {}, "now", {}).losses == [], "a topic that somebody has deleted"


def test_the_last_offset_is_that_of_the_log_which_watermarks_move_too() -> None:
    other = ("echoed", 3)
    found = compare([SentLane("now", LANE, 7), SentLane("now", other, 9)], {LANE: 20}, "now", {})
    assert found.last_offsets == {LANE: 19, other: 9}


async def test_no_look_and_no_taking_back_reads_the_whole_outbox(counter_database: str, prefix: str) -> None:
    service = make_counter("nowhere:1", counter_database, prefix, consume=False)
    rows = service.units_of_work.parts.sent_rows
    assert isinstance(rows, PostgresSentRows)
    place = {"of_slot": 5, "cluster": "a-cluster", "lost_topic": "t", "lost_partition": 5, "from_offset": 2_400}
    async with service.engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO counter.outbox (slot, topic, partition, key, headers, event_id, sent_at, cluster_id,"
                " sent_offset) SELECT n % 12, 't', n % 12, 'X', '{}', n::text, now(), 'a-cluster', n / 12"
                " FROM generate_series(0, 30000) AS n"
            )
        )
        await connection.execute(text("ANALYZE counter.outbox"))
        for statement in (rows.lanes_statement, rows.take_back_statement):
            compiled = statement.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
            sql = str(compiled)
            for name, value in {**compiled.params, **place}.items():
                sql = re.sub(rf"%\({name}\)s", repr(value), sql)
            plan = "\n".join((await connection.execute(text(f"EXPLAIN {sql}"))).scalars())
            assert "outbox_sent" in plan
            assert "Seq Scan" not in plan
    await service.engine.dispose()
