"""Brings the catalogue's database up to what it published after the copy it was restored from (`lienthong recover`).

Releases, contacts, tokens and deadlines all stand on topics that the catalogue alone writes. What people decided and
what was told is read back from there; what follows from reports follows once more when the groups are set back.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from services.catalogue.app import EVENTS_GROUP
from services.catalogue.domain.delivery import Delivery
from services.catalogue.domain.readback import newer, read_back, told
from services.catalogue.domain.schedule import Schedule
from services.catalogue.releases import publish_whole
from services.catalogue.settings import CatalogueSettings
from services.catalogue.storage.deliveries import (
    Extension,
    add_extension,
    add_planned,
    claim_events,
    load_deliveries,
    save_deliveries,
)
from services.catalogue.storage.entities import last_release_number, load_snapshot, store_contacts, stored_contacts
from services.catalogue.storage.publications import drop_unsent
from services.catalogue.storage.recovered import known_tokens, store_read_back, unsent_keys
from services.catalogue.storage.tables import SERVICE, bus
from services.catalogue.storage.tokens import revoke_tokens, store_token, valid_tokens
from shared.bus.cloudevents import UnknownType, decode
from shared.bus.partitions import UNITLESS
from shared.bus.recovery import Findings, Reached, Recovery
from shared.bus.topics import ACCESS, CATALOGUE, CONTACTS, DEADLINES, SUBMISSIONS, VALIDATION_RESULTS, Topic
from shared.bus.work import Work
from shared.delivery_id import DeliveryId
from shared.events.base import Event, EventData
from shared.events.catalogue import AccessV1, ContactV1
from shared.events.deadlines import DeadlineEvent, DeadlineExtendedV1
from shared.text import Text

READ_BACK = "recovered: read back from the topic"
"""Who granted an extension stands in no event."""


async def adopt(work: Work[None], reached: Reached, findings: Findings) -> None:
    """Read back releases, contacts, tokens and deadline events; publish the whole where readers may have other."""
    await work.lock_units([UNITLESS])
    unfinished = await _adopt_releases(work, reached, findings)
    unsent = await unsent_keys(work.session)
    await _adopt_contacts(work, reached, findings, _of(CONTACTS, unsent))
    await _adopt_tokens(work, reached, findings, _of(ACCESS, unsent))
    await _adopt_deadlines(work, reached, findings)
    if unfinished or unsent:
        await drop_unsent(work.session)
        await publish_whole(work)
        findings.done.append(
            Text(
                vi="Toàn bộ danh mục, đầu mối và mã truy cập sẽ được công bố lại dưới một số ban hành mới.",
                en="The whole catalogue, contacts and tokens will be published again, under a new release.",
            )
        )


async def _adopt_releases(work: Work[None], reached: Reached, findings: Findings) -> bool:
    """Store the releases that the database does not have; return whether a part of one more was published."""
    published = reached.past.events(CATALOGUE.pattern, CATALOGUE.types, whole=True)
    found = read_back([each.event.data async for each in published])
    stored = await last_release_number(work.session) or 0
    markers = {number: marker for number, marker in found.markers.items() if number > stored}
    changed = {key: entity for key, entity in found.entities.items() if entity[1] > stored}
    await store_read_back(work.session, markers, changed)
    findings.done.append(
        Text(
            vi=f"Danh mục: số {stored} trong bản sao, số {max(stored, found.newest)} sau khi đọc lại "
            f"({len(changed)} mục).",
            en=f"Catalogue: release {stored} in the copy, {max(stored, found.newest)} after reading back "
            f"({len(changed)} entities).",
        )
    )
    if found.unfinished and found.newest >= stored:
        findings.left.append(
            Text(
                vi=f"Một lần ban hành sau số {found.newest} chỉ kịp công bố {len(found.unfinished)} mục: "
                "chạy lại `lienthong catalogue load` với các tệp của lần đó.",
                en=f"Of a release after {found.newest} only {len(found.unfinished)} entities were published: "
                "run `lienthong catalogue load` again with its files.",
            )
        )
    return bool(found.unfinished)


def _of(topic: Topic, unsent: Mapping[tuple[str, str], datetime]) -> dict[str, datetime]:
    return {key: at for (name, key), at in unsent.items() if name == topic.name}


async def _adopt_contacts(
    work: Work[None], reached: Reached, findings: Findings, unsent: Mapping[str, datetime]
) -> None:
    stored = await stored_contacts(work.session)
    latest = newer(await _compacted(CONTACTS, reached), reached.past.since, unsent)
    changed = [
        data
        for key, data in latest.items()
        if isinstance(data, ContactV1) and stored.get(key) != data.model_dump(mode="json")
    ]
    gone = [key for key, data in latest.items() if data is None and key in stored]
    await store_contacts(work.session, changed, gone)
    if changed or gone:
        findings.done.append(
            Text(
                vi=f"Đầu mối: đọc lại {len(changed)}, bỏ {len(gone)}.",
                en=f"Contacts: {len(changed)} read back, {len(gone)} gone.",
            )
        )


async def _adopt_tokens(work: Work[None], reached: Reached, findings: Findings, unsent: Mapping[str, datetime]) -> None:
    valid = await valid_tokens(work.session)
    latest = newer(await _compacted(ACCESS, reached), reached.past.since, unsent)
    known = await known_tokens(work.session, latest)
    issued = {key: data for key, data in latest.items() if isinstance(data, AccessV1) and key not in known}
    revoked = [key for key, data in latest.items() if data is None and key in valid]
    for digest, access in issued.items():
        await store_token(work.session, digest, access)
    await revoke_tokens(work.session, revoked)
    if issued or revoked:
        findings.done.append(
            Text(
                vi=f"Mã truy cập: đọc lại {len(issued)} mã đã cấp, {len(revoked)} mã đã thu hồi.",
                en=f"Tokens: {len(issued)} issued and {len(revoked)} revoked read back.",
            )
        )


async def _compacted(topic: Topic, reached: Reached) -> dict[str, tuple[EventData | None, datetime]]:
    """Return the last record of each key and when it was published (machine time)."""
    types = {data_type.ce_type: data_type for data_type in topic.types}
    latest: dict[str, tuple[EventData | None, datetime]] = {}
    async for record in reached.past.records(topic.pattern, whole=True):
        at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
        event = None if record.value is None else decode(record, types, UNITLESS)
        if not isinstance(event, UnknownType):
            latest[(record.key or b"").decode()] = (None if event is None else event.data, at)
    return latest


async def _adopt_deadlines(work: Work[None], reached: Reached, findings: Findings) -> None:
    """Let deliveries be as was told of them, each event once; what is told again later has its first id."""
    events: list[Event[DeadlineEvent]] = [
        each.event async for each in reached.past.events(DEADLINES.pattern, DEADLINES.types)
    ]
    await work.lock_units({event.unit for event in events})
    ids = {event.data.delivery_id for event in events}
    deliveries = await _with_new_ones(ids, work)
    changed: dict[DeliveryId, Delivery] = {}
    granted = unknown = 0
    for event in events:
        before = deliveries.get(event.data.delivery_id)
        if before is None:
            unknown += 1
            continue
        key = (before.id, event.data.deadline_version, event.data.ce_type)
        if not await claim_events(work.session, [key], event.time):
            continue
        after = told(before, event.data, event.time)
        deliveries[before.id] = changed[before.id] = after
        if isinstance(event.data, DeadlineExtendedV1):
            granted += 1
            extension = Extension(before.due_at, event.data.reason, event.data.document_number, READ_BACK, event.time)
            await add_extension(work.session, after, extension)
    await save_deliveries(work.session, list(changed.values()))
    findings.done.append(
        Text(
            vi=f"Kỳ hạn: đọc lại sự kiện của {len(changed)} lần báo cáo, trong đó {granted} lần gia hạn.",
            en=f"Deadlines: events of {len(changed)} deliveries read back, {granted} extensions among them.",
        )
    )
    if unknown:
        findings.left.append(
            Text(
                vi=f"{unknown} sự kiện kỳ hạn nói về những lần báo cáo mà danh mục này không có: xem lại danh mục.",
                en=f"{unknown} deadline events are about deliveries that this catalogue does not have: review it.",
            )
        )


async def _with_new_ones(ids: set[DeliveryId], work: Work[None]) -> dict[DeliveryId, Delivery]:
    """Return these deliveries; those that were planned after the copy are planned again first."""
    known = await load_deliveries(work.session, ids)
    snapshot = await load_snapshot(work.session)
    if ids <= known.keys() or snapshot is None:
        return known
    horizon = work.now + timedelta(days=CatalogueSettings().plan_days_ahead)
    wanted = Schedule.of(snapshot.calendar).deliveries(snapshot.obligations.values(), work.now, horizon)
    new = [planned for planned in wanted if planned.id in ids - known.keys()]
    await add_planned(work.session, new, snapshot.release)
    return await load_deliveries(work.session, ids)


RECOVERY = Recovery(
    service=SERVICE,
    tables=bus,
    groups={EVENTS_GROUP: f"{SUBMISSIONS.pattern}|{VALIDATION_RESULTS.pattern}"},
    adopt=adopt,
)
