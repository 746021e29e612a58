"""The kit's exchangeable parts, chosen by a service's `app.py`; tests show what each is for by leaving it out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from shared.bus.clearing import Clearing, PostgresClearing
from shared.bus.inbox import Inbox, PostgresInbox
from shared.bus.locks import PostgresUnitLock, UnitLock
from shared.bus.outbox import Outbox, PostgresOutbox
from shared.bus.quarantine import DeadLetters, PostgresDeadLetters
from shared.bus.records import Records
from shared.bus.sweep import PostgresSentRows, SentRows
from shared.bus.tables import BusTables
from shared.bus.topics import TOPICS, TopicTable
from shared.bus.watermark import PostgresWatermarks, Watermarks

Divide = Callable[[Records], Sequence[Records]]


def in_halves(records: Records) -> Sequence[Records]:
    """Divide a batch that failed: what fails again is divided again, until a bad message is alone.

    So one bad message among 500 costs some 20 transactions, not 500. What is not divided is put aside whole.
    """
    middle = len(records) // 2
    return [records[:middle], records[middle:]] if middle else [records]


@dataclass(frozen=True, slots=True)
class Parts:
    """What keeps the promises.

    Inbox, outbox, unit lock, watermarks; how a bad message is set apart; what was sent; how old rows go.
    """

    inbox: Inbox
    outbox: Outbox
    unit_lock: UnitLock
    watermarks: Watermarks
    dead_letters: DeadLetters
    sent_rows: SentRows
    clearing: Clearing
    divide: Divide = in_halves

    @classmethod
    def of(cls, service: str, tables: BusTables, topics: TopicTable = TOPICS) -> Self:
        """Return the real parts, on a service's tables."""
        return cls(
            inbox=PostgresInbox(tables.inbox),
            outbox=PostgresOutbox(tables.outbox, {data_type.ce_type for data_type in topics.transient}),
            unit_lock=PostgresUnitLock(service),
            watermarks=PostgresWatermarks(tables.watermarks, service),
            dead_letters=PostgresDeadLetters(tables.dead_letters),
            sent_rows=PostgresSentRows(tables.outbox),
            clearing=PostgresClearing(tables, topics),
        )
