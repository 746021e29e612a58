"""A whole catalogue as read from files or storage: entities by kind and key, and contacts apart from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shared.events.base import EventData
from shared.events.catalogue import (
    CalendarV1,
    CodeListV1,
    ContactV1,
    FormV1,
    IndicatorV1,
    ObligationV1,
    RuleV1,
    UnitV1,
)

CALENDAR_KEY = "calendar"


class Kind(StrEnum):
    """The kinds of entities, in the order in which they are published: what is named comes before what names it."""

    UNIT = "unit"
    CODE_LIST = "code_list"
    INDICATOR = "indicator"
    FORM = "form"
    RULE = "rule"
    OBLIGATION = "obligation"
    CALENDAR = "calendar"


TYPES: Mapping[Kind, type[EventData]] = {
    Kind.UNIT: UnitV1,
    Kind.CODE_LIST: CodeListV1,
    Kind.INDICATOR: IndicatorV1,
    Kind.FORM: FormV1,
    Kind.RULE: RuleV1,
    Kind.OBLIGATION: ObligationV1,
    Kind.CALENDAR: CalendarV1,
}

EntityKey = tuple[Kind, str]


@dataclass(frozen=True)
class Catalogue:
    """Entities and contacts. A retired entity is not among them."""

    entities: Mapping[EntityKey, EventData] = field(default_factory=dict)
    contacts: Mapping[str, ContactV1] = field(default_factory=dict)


def body_of(data: EventData) -> dict[str, Any]:
    """Return an entity as JSON values; equal bodies are the same entity."""
    return data.model_dump(mode="json")


def key_of(data: EventData) -> EntityKey:
    """Return an entity's kind and key."""
    kind = next(kind for kind, data_type in TYPES.items() if type(data) is data_type)
    if kind is Kind.CALENDAR:
        return kind, CALENDAR_KEY
    key = getattr(data, "code", None) or getattr(data, "id", None)
    return kind, str(key)


def retired(kind: Kind, body: Mapping[str, Any]) -> EventData:
    """Return a retired entity: its key, and no version that holds."""
    return TYPES[kind].model_validate({**body, "versions": []})
