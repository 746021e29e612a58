"""What the running service holds in memory: the catalogue in force, contacts and their addresses, tokens."""

from collections.abc import Mapping
from typing import Any

from services.notify.domain.ladder import Policy
from services.notify.metrics import RELEASE
from shared.access import AccessTable
from shared.bus import Record, ServiceBus, UnknownType
from shared.bus.cloudevents import decode
from shared.bus.table_copy import TableCopy
from shared.bus.topics import CONTACTS
from shared.catalogue.reader import CatalogueReader
from shared.catalogue.snapshot import Snapshot
from shared.events.catalogue import ContactV1
from shared.problems import UnavailableError

_CONTACT_TYPES = {ContactV1.ce_type: ContactV1}


class Contacts(TableCopy[ContactV1]):
    """The topic `contacts` in memory. While it is read again, the copy that was complete stays in force."""

    def attach(self, bus: ServiceBus[Any]) -> None:
        """Read the topic through this bus."""
        bus.table(CONTACTS.name, self.apply, on_reset=self.begin_again, on_ready=self.complete)

    @property
    def by_id(self) -> Mapping[str, ContactV1]:
        """All contacts; raises UnavailableError before they were read."""
        if self.in_force is None:
            raise UnavailableError("the contacts have not been read yet")
        return self.in_force

    def of(self, unit: str) -> tuple[ContactV1, ...]:
        """Return a unit's contacts, whenever they hold; raises UnavailableError before they were read."""
        return tuple(contact for contact in self.by_id.values() if contact.unit == unit)

    def apply(self, record: Record) -> None:
        """Take one record of the topic."""
        contact_id = (record.key or b"").decode()
        if record.value is None:
            self.put(contact_id, None)
            return
        event = decode(record, _CONTACT_TYPES, "")
        if not isinstance(event, UnknownType) and isinstance(event.data, ContactV1):
            self.put(contact_id, event.data)


class NotifyState:
    """The catalogue's reader, the contacts, the tokens."""

    def __init__(self, reader: CatalogueReader, contacts: Contacts, access: AccessTable) -> None:
        self.reader = reader
        self.contacts = contacts
        self.access = access
        reader.on_release(lambda snapshot: RELEASE.set(snapshot.release))

    @property
    def snapshot(self) -> Snapshot:
        """The release in force; raises UnavailableError before the first."""
        if self.reader.snapshot is None:
            raise UnavailableError("no catalogue release has arrived")
        return self.reader.snapshot

    @property
    def policy(self) -> Policy:
        """When to remind, by the release in force; raises UnavailableError before the first."""
        return Policy.of(self.snapshot.calendar)
