"""What the catalogue published, read back: its releases from the topic, and a delivery after a deadline event told."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from services.catalogue.domain.delivery import Delivery, Met
from services.catalogue.domain.entities import EntityKey, key_of
from shared.events.base import EventData
from shared.events.catalogue import ReleaseV1
from shared.events.deadlines import (
    DeadlineClosedV1,
    DeadlineEvent,
    DeadlineExtendedV1,
    DeadlineMetV1,
    DeadlineOpenedV1,
    DeadlinePassedV1,
    DeadlineRedatedV1,
    DeadlineReopenedV1,
)


@dataclass
class ReadBack:
    """The topic `catalogue` as its readers have it.

    `entities`: each with the release that changed it last. `unfinished`: what came after the last marker.
    """

    markers: dict[int, ReleaseV1] = field(default_factory=dict)
    entities: dict[EntityKey, tuple[EventData, int]] = field(default_factory=dict)
    unfinished: dict[EntityKey, EventData] = field(default_factory=dict)

    @property
    def newest(self) -> int:
        """The number of the newest release, 0 before the first."""
        return max(self.markers, default=0)


def read_back(published: Iterable[EventData]) -> ReadBack:
    """Return what readers of the topic have; a marker that is not newer than the last one switches nothing."""
    found = ReadBack()
    for data in published:
        if not isinstance(data, ReleaseV1):
            found.unfinished[key_of(data)] = data
            continue
        if data.release > found.newest:
            changed = {
                key: (entity, data.release)
                for key, entity in found.unfinished.items()
                if key not in found.entities or found.entities[key][0] != entity
            }
            found.entities |= changed
            found.markers[data.release] = data
        found.unfinished = {}
    return found


def told(delivery: Delivery, event: DeadlineEvent, at: datetime) -> Delivery:
    """Return a delivery as it is after a deadline event of business time `at` was told; older dates change nothing."""
    if event.deadline_version < delivery.deadline_version:
        return delivery
    dated = replace(delivery, deadline_version=event.deadline_version, due_at=event.due_at)
    match event:
        case DeadlineOpenedV1():
            after = replace(dated, due_rule=event.due_rule, release=event.release, opened_at=at)
        case DeadlineExtendedV1() | DeadlineRedatedV1():
            after = replace(dated, passed_at=None, extended=isinstance(event, DeadlineExtendedV1))
        case DeadlineReopenedV1():
            after = replace(dated, passed_at=None, met=None, closed=None)
        case DeadlinePassedV1():
            after = replace(dated, passed_at=at)
        case DeadlineMetV1():
            after = replace(dated, met=Met(event.version, event.received_at))
        case DeadlineClosedV1():
            after = replace(dated, closed=event.reason)
        case _:
            after = delivery
    return after


def newer(
    published: Mapping[str, tuple[EventData | None, datetime]],
    since: datetime | None,
    unsent: Mapping[str, datetime],
) -> Mapping[str, EventData | None]:
    """Return what a compacted topic says of the keys that were published since the copy; None is a tombstone.

    `unsent`: when a key's last record that still waits in the restored outbox was written; what stands on the topic
    from before that is older than the database. Instants are machine time.
    """
    return {
        key: data
        for key, (data, at) in published.items()
        if (since is None or at >= since) and (key not in unsent or at >= unsent[key])
    }
