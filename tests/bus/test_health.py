"""Readiness says what is so now, and a part that has ended takes the process along."""

import asyncio

import pytest
from aiokafka import TopicPartition

from deploy.embedded.postgres import EmbeddedPostgres
from shared.bus import Topic, cluster
from shared.bus.cluster import ClusterWatch
from shared.bus.errors import TopicMismatchError
from shared.bus.topic_admin import ensure_topics
from tests.bus.conftest import MakeCounter
from tests.bus.counter import Counter, create_schema, make_counter
from tests.bus.test_table import Shelf
from tests.bus.test_topics import make
from tests.parts import Broker, until


def all_is_well(service: Counter) -> bool:
    return all(service.bus.readiness().values())


async def test_a_table_that_ends_by_a_fault_of_ours_takes_the_process_along(counter: MakeCounter, prefix: str) -> None:
    lost = asyncio.Event()
    service = await counter(started=False, on_loss=lost.set)

    def fail() -> None:
        raise ZeroDivisionError

    table = service.bus.table(f"{prefix}.kept", Shelf().apply, on_reset=fail)
    service.bus.start()
    await until(lambda: all_is_well(service), seconds=20)
    table.reset()
    await asyncio.wait_for(lost.wait(), 10)
    assert service.bus.readiness()["parts"] is False


async def test_a_consumer_whose_loop_is_gone_takes_the_process_along(counter: MakeCounter) -> None:
    lost = asyncio.Event()
    service = await counter(on_loss=lost.set)
    await until(lambda: all_is_well(service), seconds=20)
    (consumer,) = service.bus.consumers
    for task in consumer._subscriber.tasks:
        task.cancel()
    await until(lambda: not consumer.assigned)
    await asyncio.wait_for(lost.wait(), 10)
    assert service.bus.readiness()["parts"] is False


async def test_a_relay_that_meets_a_fault_of_ours_takes_the_process_along(counter: MakeCounter) -> None:
    lost = asyncio.Event()
    service = await counter(on_loss=lost.set, consume=False)
    await until(lambda: all_is_well(service))

    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    service.bus.relay._rows.backlog = fail  # type: ignore[method-assign, assignment]
    await asyncio.wait_for(lost.wait(), 10)
    assert service.bus.readiness()["relay"] is False


async def test_a_stop_is_no_loss(counter: MakeCounter) -> None:
    lost = asyncio.Event()
    service = await counter(on_loss=lost.set)
    await service.bus.stop()
    assert not lost.is_set()
    assert service.bus.readiness()["parts"] is True


async def test_the_relay_is_ready_while_it_has_its_session(kafka: Broker, own_postgres: EmbeddedPostgres) -> None:
    prefix = f"test-{id(own_postgres)}"
    await create_schema(own_postgres.url)
    service = make_counter(kafka.bootstrap_servers, own_postgres.url, prefix, consume=False)
    service.bus.start()
    await until(lambda: all_is_well(service), seconds=20)
    await own_postgres.kill()
    await until(lambda: not service.bus.readiness()["relay"])
    await own_postgres.start()
    await until(lambda: all_is_well(service), seconds=20)
    await service.stop()


async def test_without_its_partitions_a_replica_is_not_ready(counter: MakeCounter) -> None:
    service = await counter()
    (consumer,) = service.bus.consumers
    await until(lambda: consumer.assigned)
    await consumer._rebalances.on_partitions_revoked(set())
    assert not consumer.assigned
    await consumer._rebalances.on_partitions_assigned(set[TopicPartition]())  # more replicas than partitions
    assert consumer.assigned


async def test_an_old_answer_of_the_broker_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second question hangs, as it does before a network timeout."""
    monkeypatch.setattr(cluster, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(cluster, "FRESH_SECONDS", 0.2)
    watch = ClusterWatch("nowhere:1", "counter")
    answers = iter(["a-cluster"])

    async def ask() -> str:
        for answer in answers:
            return answer
        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr(watch, "_ask", ask)
    asking = asyncio.create_task(watch.run())
    assert await watch.wait_known() == "a-cluster"
    assert watch.reachable
    await until(lambda: not watch.reachable)
    asking.cancel()


@pytest.mark.parametrize("own", [True, False])
async def test_on_another_cluster_a_wrong_topic_keeps_no_table_from_being_read(
    counter: MakeCounter, kafka: Broker, prefix: str, *, own: bool
) -> None:
    """A topic of the service itself, which it waits for, or one that it was asked for, which costs itself alone."""
    shelf, wrong, right = Shelf(), Topic(f"{prefix}.wrong"), Topic(f"{prefix}.right")
    service = await counter(started=False)
    service.bus.table(f"{prefix}.kept", shelf.apply, on_reset=shelf.reset)
    service.bus.start()
    await until(lambda: all_is_well(service), seconds=20)
    await make(kafka, wrong.name, 6)
    if own:
        service.bus._topics._own[wrong.name] = wrong
    else:
        with pytest.raises(TopicMismatchError, match="6 partitions"):
            await service.bus.ensure([wrong, right])
        assert service.bus._topics._further.keys() == {right.name}
        await ensure_topics(kafka.bootstrap_servers, [right])
        service.bus._topics._further[wrong.name] = wrong
    await service.bus.cluster._take("another-cluster")
    await until(lambda: shelf.resets == 1)
    await until(lambda: service.bus.readiness()[f"table {prefix}.kept"])
    if own:
        assert service.bus.readiness()["topics"] is False
    else:
        await until(lambda: all_is_well(service))
