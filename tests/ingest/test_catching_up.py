"""After a start: no report is rejected as not open while deadline events of the time before are unread."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from services.ingest.broker_offsets import Offsets
from services.ingest.catching_up import CatchUp
from services.ingest.domain.watermark import Asked
from services.ingest.storage.sources import Partition
from shared.bus.retry import is_transient
from shared.delivery_id import DeliveryId
from shared.events.deadlines import DeadlineMetV1
from shared.problems import UnavailableError
from tests.ingest.domain.packages import MONTH, a_package
from tests.ingest.world import NOW, World, a_message

LATER = DeliveryId.of(MONTH.unit, MONTH.form, "2024-07", MONTH.status)


@dataclass
class Broker:
    """A broker whose topic `deadlines` ends at `ends`."""

    ends: dict[Partition, int]
    group: dict[Partition, int] = field(default_factory=dict)
    closed: bool = False

    async def ask(self, at: datetime) -> dict[Partition, Asked]:
        return {partition: Asked(at, 0, end) for partition, end in self.ends.items()}

    async def committed(self) -> dict[Partition, int]:
        return dict(self.group)

    async def skip_markers(self, positions: object) -> dict[Partition, int]:
        return {}

    async def close(self) -> None:
        self.closed = True


def behind(world: World, broker: Offsets) -> CatchUp:
    world.state.deadlines_read = False
    return CatchUp(world.units_of_work, world.state, broker)


def for_july() -> dict[str, object]:
    body = a_package()
    body["reports"][0]["period"] = str(LATER.period)
    return body


async def test_it_waits_however_long_it_takes(world: World) -> None:
    broker = Broker({("deadlines", 0): 9, ("deadlines", 1): 0}, {("deadlines", 0): 8})
    catch_up = behind(world, broker)
    await catch_up.tick()
    world.clock.at += timedelta(days=2)
    await catch_up.tick()
    assert not world.state.deadlines_read
    broker.group["deadlines", 0] = 9
    await catch_up.tick()
    assert world.state.deadlines_read
    assert broker.closed


async def test_a_topic_that_is_not_there_yet_was_not_read(world: World) -> None:
    broker = Broker({})
    catch_up = behind(world, broker)
    await catch_up.tick()
    assert not world.state.deadlines_read
    broker.ends["deadlines", 0] = 0
    await catch_up.tick()
    assert world.state.deadlines_read


async def test_what_is_in_the_database_counts_though_its_offset_was_not_committed(world: World) -> None:
    met = DeadlineMetV1(delivery_id=MONTH, deadline_version=1, due_at=NOW, version=1, received_at=NOW, in_time=True)
    await world.feed(met)  # also of a type that changes nothing here
    broker = Broker({("deadlines", 0): world.offset + 1})
    catch_up = behind(world, broker)
    await catch_up.tick()
    assert world.state.deadlines_read


async def test_until_then_what_is_not_open_is_held_at_both_doors_and_rejected_after(world: World) -> None:
    behind(world, Broker({("deadlines", 0): 99}))
    assert (await world.post(for_july())).status_code == 503
    with pytest.raises(UnavailableError) as held:
        await world.publish(a_message(for_july()))
    assert is_transient(held.value), "the consumer would put it aside"
    assert await world.told() == []
    world.state.deadlines_read = True
    assert (await world.post(for_july())).status_code == 422


async def test_until_then_what_is_known_to_be_open_is_taken(world: World) -> None:
    behind(world, Broker({("deadlines", 0): 99}))
    assert (await world.post()).status_code == 202
