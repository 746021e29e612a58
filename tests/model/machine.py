"""The rules by which hypothesis drives the model, and what must hold whatever it does."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.model.system import SLOT_OF, SLOTS, Broker, Mechanisms, Reader, Relay, Row, Writers

slots = st.sampled_from((0, 0, 0, 1))
Run = tuple[int, int, int]
"""A partition, and how many steps its relay and then its reader do: a crash may come between any two."""
runs = st.tuples(slots, st.integers(0, 6), st.integers(0, 6))


class Delivery(RuleBasedStateMachine):
    """Everything as it should be, but for the mechanism that a test leaves out."""

    mechanisms = Mechanisms()
    hasty_relays = False

    def __init__(self) -> None:
        super().__init__()
        self.writers = Writers(self.mechanisms)
        self.broker = Broker()
        self.relays = [Relay(slot, self.writers, self.broker, self.hasty_relays) for slot in SLOTS]
        self.readers = [Reader(slot, self.mechanisms, self.broker) for slot in SLOTS]

    @rule(
        received=st.lists(st.sampled_from("AAABBC"), max_size=3),
        ended=st.lists(st.integers(0, 2), max_size=3),
        watermark=st.booleans(),
        run=runs,
    )
    def write(self, received: list[str], ended: list[int], watermark: bool, run: Run) -> None:  # noqa: FBT001
        """Begin transactions, commit some in any order, perhaps write a watermark; then go on."""
        for unit in received:
            self.writers.receive(unit)
        for place in ended:
            if place < len(self.writers.drawn):
                self.writers.commit(self.writers.drawn[place])
        if watermark:
            self.writers.write_watermark()
        self.go_on(run)

    @rule(slot=slots, what=st.sampled_from(("writers", "relay", "reader", "reader", "disk")), run=runs)
    def crash(self, slot: int, what: str, run: Run) -> None:
        """Break one thing; then go on."""
        match what:
            case "writers":
                self.writers.drawn.clear()
            case "relay":
                self.relays[slot].begin()
            case "reader":
                self.readers[slot].begin()
            case _:
                self.broker.wipe()
        self.go_on(run)

    def go_on(self, run: Run) -> None:
        """Publish and read one partition, so many steps each."""
        slot, relaying, reading = run
        for _ in range(relaying):
            self.relays[slot].step()
        for _ in range(reading):
            self.readers[slot].step()

    @invariant()
    def holds(self) -> None:
        for reader in self.readers:
            assert len(reader.effects) == len(set(reader.effects)), "done twice"
            assert self.in_order(reader), "out of order"
            missing = self.acknowledged(reader.slot).difference(reader.effects)
            assert all(row.at > reader.watermark for row in missing), "called late"

    def in_order(self, reader: Reader) -> bool:
        """Whether the reader has the events of each unit in the order in which they were written."""
        last = dict.fromkeys(SLOT_OF, 0)
        for row in reader.effects:
            if row.id < last[row.unit or ""]:
                return False
            last[row.unit or ""] = row.id
        return True

    def acknowledged(self, slot: int) -> set[Row]:
        return {row for row in self.writers.committed if row.slot == slot and row.unit is not None}

    def teardown(self) -> None:
        """When nothing breaks any more, everything arrives."""
        self.writers.drawn.clear()
        self.writers.write_watermark()
        while self.all_step():
            self.holds()
        for reader in self.readers:
            assert self.acknowledged(reader.slot) <= set(reader.effects), "lost"
            assert reader.watermark == self.writers.now, "the watermark stands"

    def all_step(self) -> bool:
        relayed = [relay.step() for relay in self.relays]
        read = [reader.step() for reader in self.readers]
        return any(relayed + read)


class HastyDelivery(Delivery):
    """Watermarks may come before what they speak of, after a loss of the broker's disk.

    Hypothesis has shown that `after` does not suffice where an event slips through as well: a watermark behind that
    one is believed. So relays give up what they have in hand.
    """

    hasty_relays = True
