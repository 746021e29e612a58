"""What a release changes: compares a catalogue that was read with the one that is stored."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from services.catalogue.domain.entities import Catalogue, EntityKey, Kind, body_of, retired
from shared.events.base import EventData
from shared.events.catalogue import ContactV1

_ORDER = {kind: number for number, kind in enumerate(Kind)}


@dataclass(frozen=True, slots=True)
class StoredEntity:
    """An entity as it is stored; a retired one keeps its last body."""

    body: Mapping[str, Any]
    retired: bool


@dataclass(frozen=True, slots=True)
class Change:
    """An entity to publish: new, changed, or retired (then without versions)."""

    kind: Kind
    key: str
    data: EventData
    retired: bool


@dataclass(frozen=True, slots=True)
class ContactChanges:
    """Contacts to publish, and ids of those that are gone."""

    changed: tuple[ContactV1, ...]
    gone: tuple[str, ...]


def entity_changes(stored: Mapping[EntityKey, StoredEntity], new: Mapping[EntityKey, EventData]) -> list[Change]:
    """Return what differs, in order of publication: what is named comes before what names it."""
    return sorted(_changes(stored, new), key=lambda change: (_ORDER[change.kind], change.key))


def contact_changes(stored: Mapping[str, Mapping[str, Any]], new: Catalogue) -> ContactChanges:
    """Return the contacts that differ and those that are gone."""
    changed = tuple(contact for key, contact in new.contacts.items() if stored.get(key) != body_of(contact))
    return ContactChanges(changed, tuple(sorted(stored.keys() - new.contacts.keys())))


def _changes(stored: Mapping[EntityKey, StoredEntity], new: Mapping[EntityKey, EventData]) -> Iterator[Change]:
    for (kind, key), data in new.items():
        before = stored.get((kind, key))
        if before is None or before.retired or before.body != body_of(data):
            yield Change(kind, key, data, retired=False)
    for (kind, key), before in stored.items():
        if (kind, key) not in new and not before.retired:
            yield Change(kind, key, retired(kind, before.body), retired=True)
