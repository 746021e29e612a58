"""The topics of agencies: one that cannot be made costs its agency alone."""

from collections.abc import Collection
from dataclasses import dataclass, field

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError, UnknownTopicOrPartitionError

from services.ingest.agency_topics import AgencyTopics
from services.ingest.storage.sources import kafka_sources
from shared.bus.errors import TopicMismatchError
from shared.bus.retry import is_transient
from shared.bus.topics import Topic, agency_topics
from tests.builders.catalogue_files import OTHER_UNIT, UNIT
from tests.ingest.world import World


@dataclass
class Broker:
    """Makes topics, but none whose name holds `bad`."""

    bad: str = ""
    away: KafkaError | None = None
    made: set[str] = field(default_factory=set)
    calls: int = 0

    async def ensure(self, topics: Collection[Topic]) -> None:
        self.calls += 1
        if self.away is not None:
            raise self.away
        names = {topic.name for topic in topics}
        refused = {name: f"{name} may not be made" for name in names if self.bad and self.bad in name}
        self.made |= names - refused.keys()
        if refused:
            raise TopicMismatchError(refused)


def making(world: World, broker: Broker, *doors: str) -> AgencyTopics:
    world.state.ensure_topics = broker.ensure
    world.state.answers_made.clear()
    snapshot = world.state.reader.snapshot
    assert snapshot is not None
    for unit in doors:
        entity = snapshot.units[unit]
        opened = tuple(version.model_copy(update={"kafka_door": True}) for version in entity.versions)
        snapshot.units[unit] = entity.model_copy(update={"versions": opened})
    return AgencyTopics(world.units_of_work, world.state)


async def sources(world: World) -> set[str]:
    async with world.units_of_work.sessions() as session:
        return await kafka_sources(session)


async def test_both_topics_of_each_open_door_are_made_once(world: World) -> None:
    broker = Broker()
    topics = making(world, broker, UNIT, OTHER_UNIT)
    await topics.tick()
    await topics.tick()
    assert broker.made == {topic.name for topic in agency_topics([UNIT, OTHER_UNIT])}
    assert broker.calls == 1
    assert world.state.answers_made == {UNIT, OTHER_UNIT}


async def test_a_refused_topic_costs_its_agency_alone_and_holds_no_watermark(world: World) -> None:
    broker = Broker(bad=f"agency.{OTHER_UNIT}.")
    topics = making(world, broker, UNIT, OTHER_UNIT)
    await topics.tick()
    assert broker.made == {topic.name for topic in agency_topics([UNIT])}
    assert set(topics.refused) == {OTHER_UNIT}
    assert await sources(world) == {f"kafka/agency.{UNIT}.submissions/0"}


async def test_a_refused_topic_is_tried_again_and_made_when_it_was_mended(world: World) -> None:
    broker = Broker(bad=f"agency.{OTHER_UNIT}.answers")
    topics = making(world, broker, UNIT, OTHER_UNIT)
    await topics.tick()
    calls, broker.bad = broker.calls, ""
    await topics.tick()
    assert broker.calls == calls, "it was tried again at once: the watermark would wait for it each time"
    topics._refused[OTHER_UNIT] = topics._refused[OTHER_UNIT].replace(year=2000)
    await topics.tick()
    assert broker.made == {topic.name for topic in agency_topics([UNIT, OTHER_UNIT])}
    assert not topics.refused


@pytest.mark.parametrize("error", [KafkaConnectionError("away"), UnknownTopicOrPartitionError("not yet")])
async def test_while_the_broker_is_away_the_job_is_repeated_as_a_whole(world: World, error: KafkaError) -> None:
    topics = making(world, Broker(away=error), UNIT)
    with pytest.raises(type(error)):
        await topics.tick()
    assert not topics.refused
    assert await sources(world) == {f"kafka/agency.{UNIT}.submissions/0"}, "messages may come as soon as it is back"


async def test_an_answers_topic_that_is_refused_is_no_reason_to_wait_for_ever(world: World) -> None:
    making(world, Broker(bad="agency"))
    with pytest.raises(TopicMismatchError) as refused:
        await world.state.ensure_answers([UNIT])
    assert not is_transient(refused.value), "the consumer would try it again for ever"
