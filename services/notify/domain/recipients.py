"""Who is told: the contacts (đầu mối) of a unit on a day."""

from collections.abc import Iterable
from datetime import date

from shared.events.catalogue import ContactRole, ContactV1


def recipients(contacts: Iterable[ContactV1], unit: str, form: str, day: date) -> tuple[ContactV1, ...]:
    """Return who is told about a unit's form on a day, in id order.

    A responsible contact is told about all forms of the unit, a delegate about its own (all, when none are named).
    """
    told = (each for each in contacts if each.unit == unit and _holds(each, day) and _covers(each, form))
    return tuple(sorted(told, key=lambda contact: contact.id))


def _holds(contact: ContactV1, day: date) -> bool:
    return (contact.valid_from is None or contact.valid_from <= day) and (
        contact.valid_until is None or day <= contact.valid_until
    )


def _covers(contact: ContactV1, form: str) -> bool:
    return contact.role is ContactRole.RESPONSIBLE or not contact.forms or form in contact.forms
