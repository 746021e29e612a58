"""The delivery of events from a service's database to a reader's, as steps between any two of which all may die.

Two partitions, of which the first has two units, so that rows of a partition commit in another order than they were
numbered. An event is a report that arrives at the last instant at which it is punctual: whoever believes a watermark
past it without having it calls its unit late.
"""

from dataclasses import dataclass, field
from math import inf

SLOT_OF = {"A": 0, "B": 0, "C": 1}
"""The units, and the partition of each."""
SLOTS = (0, 1)
PAGE = 3


@dataclass(frozen=True)
class Mechanisms:
    """What keeps the promises; a negative control leaves one out."""

    unit_lock: bool = True
    after: bool = True
    database_before_offsets: bool = True
    inbox: bool = True
    forgotten_first: bool = True


@dataclass(eq=False)
class Row:
    """An outbox row: an event of a unit, or a watermark (`unit` None). `at` is when it was received, or speaks of."""

    id: int
    slot: int
    unit: str | None
    at: int
    after: "Row | None" = None
    sent_to: int | None = None
    sent_as: float = inf


@dataclass
class Writers:
    """The sole producer's database. Identities are drawn in a transaction, and seen when it commits."""

    mechanisms: Mechanisms
    now: int = 0
    last_id: int = 0
    sent_count: int = 0
    drawn: list[Row] = field(default_factory=list)
    committed: list[Row] = field(default_factory=list)

    def receive(self, unit: str) -> None:
        """Begin a transaction for a report and draw its identity, unless the unit's lock is held."""
        if self.mechanisms.unit_lock and any(row.unit == unit for row in self.drawn):
            return
        self.now += 1
        self.drawn.append(self._draw(SLOT_OF[unit], unit, self.now))

    def commit(self, row: Row) -> None:
        """Acknowledge a report."""
        self.drawn.remove(row)
        self.committed.append(row)

    def write_watermark(self) -> None:
        """Say on each partition up to when everything received is committed, naming the event sent last before it."""
        at = min((row.at - 1 for row in self.drawn), default=self.now)
        for slot in SLOTS:
            events = [row for row in self.committed if row.slot == slot and row.unit is not None]
            row = self._draw(slot, None, at)
            row.after = max(events, key=lambda each: (each.sent_as, each.id), default=None)
            self.committed.append(row)

    def _draw(self, slot: int, unit: str | None, at: int) -> Row:
        self.last_id += 1
        return Row(self.last_id, slot, unit, at)


@dataclass
class Broker:
    """Logs and offsets of a cluster. A wiped disk answers as another cluster."""

    cluster: int = 1
    logs: dict[int, list[Row]] = field(default_factory=lambda: {slot: [] for slot in SLOTS})
    offsets: dict[int, int] = field(default_factory=lambda: dict.fromkeys(SLOTS, 0))

    def wipe(self) -> None:
        """Lose everything."""
        self.__init__(self.cluster + 1)  # type: ignore[misc]


@dataclass
class Relay:
    """Publishes one slot: reads a page, sends it, marks it.

    When its connection was lost it gives up what it has in hand and looks for what the broker has forgotten. A hasty
    one sends watermarks all the same that it has in hand: this is what their `after` is for.
    """

    slot: int
    writers: Writers
    broker: Broker
    is_hasty: bool = False
    cluster: int = 1
    page: list[Row] = field(default_factory=list)
    is_sent: bool = False

    def step(self) -> bool:
        """Do the next thing; return whether there was anything to do."""
        if self.cluster != self.broker.cluster:
            if self.is_hasty and not self.is_sent and all(row.unit is None for row in self.page):
                self.cluster = self.broker.cluster
            else:
                self.begin()
        if not self.page:
            self.page = self._next_page()
            return bool(self.page)
        if self.is_sent:
            self._mark()
        else:
            self.broker.logs[self.slot] += self.page
            self.is_sent = True
        return True

    def begin(self) -> None:
        """Start, perhaps after a crash."""
        self.cluster, self.page, self.is_sent = self.broker.cluster, [], False

    def _next_page(self) -> list[Row]:
        mine = sorted((row for row in self.writers.committed if row.slot == self.slot), key=lambda row: row.id)
        unsent = [row for row in mine if row.sent_to is None]
        forgotten = [row for row in mine if row.sent_to not in (None, self.cluster)]
        first, second = (forgotten, unsent) if self.writers.mechanisms.forgotten_first else (unsent, forgotten)
        return (first or second)[:PAGE]

    def _mark(self) -> None:
        for row in self.page:
            self.writers.sent_count += 1
            row.sent_to, row.sent_as = self.cluster, self.writers.sent_count
            if row.unit is None:
                self.writers.committed.remove(row)
        self.page, self.is_sent = [], False


@dataclass
class Reader:
    """The consumer of one partition: takes a batch in, then commits its offset."""

    slot: int
    mechanisms: Mechanisms
    broker: Broker
    inbox: set[Row] = field(default_factory=set)
    effects: list[Row] = field(default_factory=list)
    watermark: int = 0
    cluster: int = 1
    position: int = 0
    batch: list[Row] = field(default_factory=list)
    is_half_done: bool = False

    def step(self) -> bool:
        """Do the next thing; return whether there was anything to do."""
        if not self.batch:
            if self.cluster != self.broker.cluster:
                self.begin()
            self.batch = self.broker.logs[self.slot][self.position : self.position + PAGE]
            return bool(self.batch)
        database_next = self.mechanisms.database_before_offsets is not self.is_half_done
        if database_next:
            self._take()
        else:
            self._commit_offset()
        if self.is_half_done:
            self.position += len(self.batch)
            self.batch = []
        self.is_half_done = not self.is_half_done
        return True

    def begin(self) -> None:
        """Join the group, perhaps after a crash."""
        self.cluster, self.position = self.broker.cluster, self.broker.offsets[self.slot]
        self.batch, self.is_half_done = [], False

    def _take(self) -> None:
        for row in self.batch:
            if row.unit is None:
                is_known = row.after is None or row.after in self.inbox or not self.mechanisms.inbox
                if is_known or not self.mechanisms.after:
                    self.watermark = max(self.watermark, row.at)
            elif row not in self.inbox:
                self.effects.append(row)
                if self.mechanisms.inbox:
                    self.inbox.add(row)

    def _commit_offset(self) -> None:
        if self.cluster == self.broker.cluster:  # another one does not know this member
            self.broker.offsets[self.slot] = self.position + len(self.batch)
