import pytest
from sqlalchemy import func, select, update

from services.catalogue.releases import publish_whole, release
from services.catalogue.storage.entities import load_snapshot
from services.catalogue.storage.tables import bus, entities, releases
from services.catalogue.tokens import issue
from shared.bus.partitions import UNITLESS
from shared.bus.topics import ACCESS, CATALOGUE, CONTACTS
from shared.catalogue.builder import SnapshotBuilder
from shared.events.catalogue import ContactV1, IndicatorV1, ObligationV1, ReleaseV1, UnitV1
from tests.builders.catalogue_files import a_catalogue, a_file, a_snapshot
from tests.catalogue.world import World


async def outbox_rows(world: World) -> list[tuple[str, str, str]]:
    async with world.units_of_work.sessions() as session:
        rows = await session.execute(
            select(bus.outbox.c.topic, bus.outbox.c.key, bus.outbox.c.event_id, bus.outbox.c.value).order_by(
                bus.outbox.c.id
            )
        )
        return [(row.topic, row.key, "tombstone" if row.value is None else row.event_id) for row in rows]


async def test_the_first_release_publishes_everything_and_its_marker_comes_last(world: World) -> None:
    marker = await world.load(a_catalogue())
    assert marker is not None
    assert (marker.release, marker.entity_count) == (1, len(a_catalogue().entities))
    topics = [(topic, key) for topic, key, _ in await outbox_rows(world)]
    on_catalogue = [key for topic, key in topics if topic == CATALOGUE.name]
    assert len(on_catalogue) == marker.entity_count + 1
    assert on_catalogue[-1] == "release/1"
    assert [key for topic, key in topics if topic == CONTACTS.name] == ["SO-A-1", "SO-A-2"]


async def test_what_is_published_builds_the_catalogue_that_was_loaded(world: World) -> None:
    await world.load(a_catalogue())
    builder = SnapshotBuilder()
    for data_type in CATALOGUE.types:
        for data in await world.published(data_type):
            builder.apply(data)
    assert builder.snapshot == a_snapshot()
    async with world.units_of_work.sessions() as session:
        assert await load_snapshot(session) == builder.snapshot


async def test_loading_the_same_again_makes_no_release(world: World) -> None:
    await world.load(a_catalogue())
    before = await outbox_rows(world)
    assert await world.load(a_catalogue()) is None
    assert await outbox_rows(world) == before


async def test_a_later_release_publishes_only_what_changed(world: World) -> None:
    await world.load(a_catalogue())
    marker = await world.load(a_catalogue(units=a_file("units").replace("Sở B,Department B", "Sở Bê,Department B")))
    assert marker is not None
    assert marker.release == 2
    units = await world.published(UnitV1)
    assert [unit.code for unit in units[3:]] == ["SO-B"]
    assert units[-1].versions[0].name.vi == "Sở Bê"
    assert len(await world.published(IndicatorV1)) == 2


async def test_an_entity_that_is_gone_is_published_without_versions_and_may_come_back(world: World) -> None:
    fewer = "".join(line for line in a_file("obligations").splitlines(keepends=True) if "SO-B" not in line)
    await world.load(a_catalogue())
    await world.load(a_catalogue(obligations=fewer))
    gone = (await world.published(ObligationV1))[-1]
    assert gone.id.startswith("SO-B/")
    assert gone.versions == ()
    assert (await world.published(ReleaseV1))[-1].entity_count == len(a_catalogue().entities) - 1
    async with world.units_of_work.sessions() as session:
        snapshot = await load_snapshot(session)
    assert snapshot is not None
    assert gone.id not in snapshot.obligations
    assert await world.load(a_catalogue(obligations=fewer)) is None
    await world.load(a_catalogue())
    assert (await world.published(ObligationV1))[-1].versions


async def test_contacts_change_without_a_release_and_one_that_is_gone_is_deleted_everywhere(world: World) -> None:
    await world.load(a_catalogue())
    one = "".join(a_file("contacts").splitlines(keepends=True)[:2]).replace("Nguyễn Thị A", "Lê Thị C")
    assert await world.load(a_catalogue(contacts=one)) is None
    assert [row for row in await outbox_rows(world) if row[0] == CONTACTS.name][-1][1:] == ("SO-A-2", "tombstone")
    assert (await world.published(ContactV1))[-1].name == "Lê Thị C"


async def test_a_release_and_its_messages_commit_together_or_not_at_all(world: World) -> None:
    async def cut_off() -> None:
        async with world.units_of_work.begin([UNITLESS]) as work:
            await release(work, a_catalogue())
            await work.flush()
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        await cut_off()
    async with world.units_of_work.sessions() as session:
        for table in (entities, releases, bus.outbox):
            assert await session.scalar(select(func.count()).select_from(table)) == 0


async def test_another_cluster_is_given_everything_again_with_the_first_ids(world: World) -> None:
    await world.load(a_catalogue())
    first = {key: event_id for topic, key, event_id in await outbox_rows(world) if topic == CATALOGUE.name}
    await world.jobs.publish_to("cluster-1")
    async with world.units_of_work.begin() as work:
        await work.session.execute(update(bus.outbox).values(sent_at=func.now(), cluster_id="cluster-1"))
    before = len(await outbox_rows(world))
    await world.jobs.publish_to("cluster-1")
    assert len(await outbox_rows(world)) == before, "this one has it"
    await world.jobs.publish_to("cluster-2")
    again = [row for row in (await outbox_rows(world))[before:] if row[0] == CATALOGUE.name]
    entity_ids = {key: event_id for _, key, event_id in again if not key.startswith("release/")}
    assert entity_ids == {key: event_id for key, event_id in first.items() if not key.startswith("release/")}
    assert again[-1][1] == "release/2", "a new marker: a reader may have seen a part of release 1 there"


async def test_a_part_of_a_release_does_not_come_before_the_whole_on_another_cluster(world: World) -> None:
    await world.load(a_catalogue())
    await world.jobs.publish_to("cluster-1")
    async with world.units_of_work.begin() as work:
        await work.session.execute(update(bus.outbox).values(sent_at=func.now(), cluster_id="cluster-1"))
    changed = a_catalogue(units=a_file("units").replace("Sở B,Department B", "Sở Bê,Department B"))
    await world.load(changed)  # not sent yet when the other cluster answers
    await world.jobs.publish_to("cluster-2")
    async with world.units_of_work.sessions() as session:
        rows = await session.execute(
            select(bus.outbox.c.key).where(bus.outbox.c.sent_at.is_(None), bus.outbox.c.topic == CATALOGUE.name)
        )
        unsent = list(rows.scalars())
    assert len(unsent) == len(changed.entities) + 1
    assert unsent.count("unit/SO-B") == 1


async def test_publishing_the_whole_includes_the_tokens(world: World) -> None:
    async with world.units_of_work.begin([UNITLESS]) as work:
        await issue(work, ["statistician"], "Mai")
        await publish_whole(work)
    assert [row[0] for row in await outbox_rows(world)].count(ACCESS.name) == 2
