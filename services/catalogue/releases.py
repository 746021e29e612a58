"""Makes a release: what changed, its marker and the outgoing messages commit together."""

from typing import Any

from services.catalogue.domain.changes import Change, contact_changes, entity_changes
from services.catalogue.domain.entities import Catalogue, key_of
from services.catalogue.storage.entities import (
    entity_releases,
    last_release,
    live_entities,
    store_changes,
    store_contacts,
    store_release,
    stored_contacts,
    stored_entities,
)
from services.catalogue.storage.tokens import valid_tokens
from shared.bus.cloudevents import deterministic_id
from shared.bus.partitions import UNITLESS
from shared.bus.topics import CONTACTS
from shared.bus.work import Work
from shared.events.base import EventData
from shared.events.catalogue import ContactV1, ReleaseV1
from shared.failpoints import reach

PUBLISHED_AGAIN = "published again: another cluster"


async def release(work: Work[Any], new: Catalogue, note: str = "") -> tuple[ReleaseV1 | None, int]:
    """Make the next release of a whole catalogue; return it, or None when no entity changed, and the contact changes.

    The lock of no unit (`""`) must be held: releases take turns.
    """
    contact_change_count = await _release_contacts(work, new)
    changes = entity_changes(await stored_entities(work.session), new.entities)
    if not changes:
        return None, contact_change_count
    before = await last_release(work.session)
    marker = ReleaseV1(
        release=before.release + 1 if before else 1,
        published_at=work.now,
        entity_count=len(new.entities),
        note=note,
    )
    await store_changes(work.session, changes, marker.release)
    await store_release(work.session, marker)
    for change in changes:
        _publish(work, change, marker.release)
    await reach("catalogue.release")
    _publish_marker(work, marker)
    return marker, contact_change_count


async def publish_whole(work: Work[Any]) -> None:
    """Write the whole catalogue, contacts and tokens again, for a cluster that has never had them.

    Entities keep the ids of their first publication. The marker is that of a new release: a reader that has seen a
    part of the last one there switches to the whole. The lock of no unit must be held.
    """
    before = await last_release(work.session)
    if before is not None:
        marker = before.model_copy(
            update={"release": before.release + 1, "published_at": work.now, "note": PUBLISHED_AGAIN}
        )
        await store_release(work.session, marker)
        numbers = await entity_releases(work.session)
        for data in await live_entities(work.session):
            kind, key = key_of(data)
            _publish(work, Change(kind, key, data, retired=False), numbers[kind, key])
        _publish_marker(work, marker)
    for identifier, body in (await stored_contacts(work.session)).items():
        work.publish(ContactV1.model_validate(body), unit=UNITLESS, key=identifier)
    for digest, access in (await valid_tokens(work.session)).items():
        work.publish(access, unit=UNITLESS, key=digest)


async def _release_contacts(work: Work[Any], new: Catalogue) -> int:
    changes = contact_changes(await stored_contacts(work.session), new)
    await store_contacts(work.session, changes.changed, changes.gone)
    for contact in changes.changed:
        work.publish(contact, unit=UNITLESS, key=contact.id)
    for identifier in changes.gone:
        work.publish_tombstone(CONTACTS.name, key=identifier)
    return len(changes.changed) + len(changes.gone)


def _publish(work: Work[Any], change: Change, number: int) -> None:
    _publish_entity(work, change.data, f"{change.kind.value}/{change.key}", number)


def _publish_entity(work: Work[Any], data: EventData, subject: str, number: int) -> None:
    event_id = deterministic_id("catalogue", subject, str(number))
    work.publish(data, unit=UNITLESS, subject=subject, event_id=event_id)


def _publish_marker(work: Work[Any], marker: ReleaseV1) -> None:
    _publish_entity(work, marker, f"release/{marker.release}", marker.release)
