"""The catalogue's database put back to a copy, and brought up to what the catalogue published since."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from services.catalogue import tokens
from services.catalogue.deadlines import extend
from services.catalogue.domain.delivery import State
from services.catalogue.recovering import adopt
from services.catalogue.storage.deliveries import load_deliveries
from services.catalogue.storage.entities import last_release_number, live_entities, stored_contacts
from services.catalogue.storage.tables import bus
from services.catalogue.storage.tokens import valid_tokens
from shared.access import token_digest
from shared.bus.cloudevents import decode
from shared.bus.partitions import UNITLESS
from shared.bus.records import Record
from shared.bus.topics import CATALOGUE
from shared.catalogue.builder import SnapshotBuilder
from shared.delivery_id import DeliveryId
from shared.events.base import Event
from shared.events.findings import Verdict
from tests.builders.catalogue_files import a_catalogue, a_file
from tests.builders.past import a_record, published, read_back
from tests.catalogue.world import World, judged, received
from tests.copies import Copy, take_copy

MONTH = DeliveryId.of("SO-A", "001.T/BCS-A", "2024-06", "estimate")
OTHER = DeliveryId.of("SO-B", "001.T/BCS-A", "2024-06", "estimate")
DUE = datetime(2024, 6, 18, 16, 59, 59, tzinfo=UTC)
NIGHTS: dict[str, object] = {"reminders": [{"days_before": 1, "at": "20:00"}]}
LATER = DUE + timedelta(days=5)


def renamed(name: str) -> str:
    return a_file("units").replace("Sở A", name)


async def all_published(world: World) -> list[Record]:
    async with world.units_of_work.sessions() as session:
        return await published(session, bus.outbox)


async def unsent(world: World) -> list[Record]:
    async with world.units_of_work.sessions() as session:
        rows = await session.execute(
            bus.outbox.select().where(bus.outbox.c.sent_at.is_(None)).order_by(bus.outbox.c.id)
        )
    return [a_record(row) for row in rows]


async def relayed(world: World) -> None:
    """Let the relay have sent everything."""
    async with world.units_of_work.sessions() as session, session.begin():
        await session.execute(bus.outbox.update().values(sent_at=datetime.now(UTC), sent_offset=bus.outbox.c.id))


async def a_copy(world: World, url: str) -> tuple[Copy, datetime]:
    await relayed(world)
    return await take_copy(url, "catalogue"), datetime.now(UTC)


async def grant(world: World, due_at: datetime) -> None:
    async with world.units_of_work.begin([MONTH.unit]) as work:
        delivery = (await load_deliveries(work.session, [MONTH]))[MONTH]
        await extend(work, delivery, due_at, "bão", "1/CV")


async def test_releases_contacts_and_tokens_are_read_back(world: World, catalogue_url: str) -> None:
    await world.load(a_catalogue())
    async with world.units_of_work.begin([UNITLESS]) as work:
        withdrawn = await tokens.issue(work, ["statistician"], "withdrawn")
        kept = await tokens.issue(work, ["statistician"], "kept")
    copy, since = await a_copy(world, catalogue_url)
    await world.load(a_catalogue(units=renamed("Sở Một"), contacts=a_file("contacts").replace("@", "@moi.")))
    async with world.units_of_work.begin([UNITLESS]) as work:
        await tokens.revoke(work, subject="withdrawn")
        issued = await tokens.issue(work, ["leader"], "issued")
    async with world.units_of_work.sessions() as session:
        entities, contacts = await live_entities(session), await stored_contacts(session)
    records = await all_published(world)
    await copy.restore()
    for _ in range(2):
        await read_back(adopt, world.units_of_work, records, since)
    async with world.units_of_work.sessions() as session:
        assert await live_entities(session) == entities
        assert await stored_contacts(session) == contacts
        assert await last_release_number(session) == 2
        assert set(await valid_tokens(session)) == {token_digest(kept), token_digest(issued)}
    assert withdrawn not in {kept, issued}
    marker = await world.load(a_catalogue())
    assert marker is not None
    assert marker.release == 3


async def test_without_it_a_release_number_is_given_out_twice(world: World, catalogue_url: str) -> None:
    await world.load(a_catalogue())
    copy, _ = await a_copy(world, catalogue_url)
    await world.load(a_catalogue(units=renamed("Sở Một")))
    await copy.restore()
    marker = await world.load(a_catalogue(units=renamed("Sở Hai")))
    assert marker is not None
    assert marker.release == 2


async def unit_at_a_reader(world: World, before: Sequence[Record]) -> str:
    """Return what a reader of the topic has as the unit's name, after one more release of something else."""
    await world.load(a_catalogue(units=renamed("Sở Hai"), calendar=NIGHTS))
    builder = SnapshotBuilder()
    types = {data_type.ce_type: data_type for data_type in CATALOGUE.types}
    for record in (*before, *await unsent(world)):
        if record.topic == CATALOGUE.name:
            event = decode(record, types, UNITLESS)
            assert isinstance(event, Event)
            builder.apply(event.data)
    assert builder.snapshot is not None
    return builder.snapshot.units["SO-A"].versions[0].name.vi


async def something_waits(world: World, url: str) -> tuple[Copy, datetime, list[Record]]:
    """Return a copy that holds a release which was not sent yet, and all that was published, a newer one too."""
    await world.load(a_catalogue())
    await relayed(world)
    await world.load(a_catalogue(units=renamed("Sở Một")))
    copy, since = await take_copy(url, "catalogue"), datetime.now(UTC)
    await world.load(a_catalogue(units=renamed("Sở Hai")))
    return copy, since, await all_published(world)


async def test_what_waits_in_the_copy_does_not_undo_what_is_newer(world: World, catalogue_url: str) -> None:
    copy, since, records = await something_waits(world, catalogue_url)
    await copy.restore()
    await read_back(adopt, world.units_of_work, records, since)
    assert await unit_at_a_reader(world, records) == "Sở Hai"


async def test_deadlines_that_were_told_are_not_told_again_and_a_new_date_has_a_new_number(
    world: World, catalogue_url: str
) -> None:
    await world.load_and_open(a_catalogue())
    copy, since = await a_copy(world, catalogue_url)
    await grant(world, LATER)
    await world.feed(received(OTHER, 1, DUE), judged(OTHER, 1, Verdict.ACCEPTED, DUE))
    world.clock.at = LATER + timedelta(hours=9)
    await world.watermark(LATER + timedelta(hours=9))
    assert await world.told(MONTH) == ["opened 1", "extended 2", "passed 2"]
    records = await all_published(world)
    await copy.restore()
    for _ in range(2):
        await read_back(adopt, world.units_of_work, records, since)
    async with world.units_of_work.sessions() as session:
        stored = await load_deliveries(session, [MONTH, OTHER])
    assert (stored[MONTH].due_at, stored[MONTH].deadline_version, stored[MONTH].extended) == (LATER, 2, True)
    assert stored[OTHER].state is State.MET_IN_TIME
    await world.feed(received(OTHER, 1, DUE), judged(OTHER, 1, Verdict.ACCEPTED, DUE))
    await world.watermark(LATER + timedelta(hours=9))
    assert await world.told(MONTH) == ["opened 1"], "passed and extended were told"
    assert await world.told(OTHER) == ["opened 1"]
    await grant(world, LATER + timedelta(days=5))
    assert await world.told(MONTH) == ["opened 1", "extended 3"]


async def test_a_delivery_that_was_planned_and_opened_after_the_copy_is_there(world: World, catalogue_url: str) -> None:
    await world.load(a_catalogue())
    copy, since = await a_copy(world, catalogue_url)
    await world.jobs.tick()
    opened = await world.told(MONTH)
    assert opened == ["opened 1"]
    records = await all_published(world)
    await copy.restore()
    await read_back(adopt, world.units_of_work, records, since)
    async with world.units_of_work.sessions() as session:
        stored = (await load_deliveries(session, [MONTH]))[MONTH]
    assert (stored.state, stored.due_at) == (State.OPEN, DUE)
    await world.jobs.tick()
    assert await world.told(MONTH) == []
