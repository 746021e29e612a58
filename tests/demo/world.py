"""A small world whose books balance, written down by hand: the tests spoil it one thing at a time."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from demo.facts import (
    Answer,
    DeadLetter,
    DeadlineFact,
    Facts,
    Judgement,
    Mail,
    Notification,
    PackageStatus,
    Received,
)
from demo.ledger import (
    AnyEntry,
    ClockMoved,
    Door,
    Outcome,
    PlannedReport,
    Sending,
    SendingAgain,
    Sent,
    Started,
    Verdict,
)
from demo.timetable import Contact, Due, Reminder, Timetable

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
MACHINE = datetime(2026, 11, 24, 9, tzinfo=UTC)
START = datetime(2024, 6, 10, 7, tzinfo=ZONE)
DUE = datetime(2024, 6, 18, 23, 59, 59, tzinfo=ZONE)
REMINDED = datetime(2024, 6, 15, 17, tzinfo=ZONE)  # business time after the reminder of the 15th
LATE = datetime(2024, 6, 19, 9, tzinfo=ZONE)

MENDED, RIGHT, NEVER, EXPLAINED, LATECOMER = (
    "A/F1/2024-06/estimate",
    "B/F2/2024-06/estimate",
    "C/F3/2024-06/estimate",
    "A/F4/2024-06/estimate",
    "B/F5/2024-06/estimate",
)
HISTORY = "A/F1/2024-05/estimate"
UNIT_A, UNIT_B, UNIT_C = "A", "B", "C"


def timetable() -> Timetable:
    """Five deliveries of one day, their people, one reminder three days before."""
    opens_at = datetime(2024, 5, 19, tzinfo=ZONE)
    dues = [
        Due(name, name.split("/")[0], name.split("/")[1], DUE, opens_at)
        for name in (MENDED, RIGHT, NEVER, EXPLAINED, LATECOMER)
    ]
    contacts = [
        Contact("A-1", "A", "a1@x.example", responsible=True),
        Contact("A-2", "A", "a2@x.example", responsible=False, forms=("F1",)),
        Contact("B-1", "B", "b1@x.example", responsible=True),
        Contact("C-1", "C", "c1@x.example", responsible=True),
        Contact("C-2", "C", "c2@x.example", responsible=True, valid_until=date(2024, 5, 31)),
    ]
    return Timetable(dues, contacts, [Reminder(3, time(8))], ZONE)


def ledger() -> list[AnyEntry]:
    """What the planter announced: a report mended, one right, one never, one explained, one late; four intruders."""
    return [
        Started(machine_at=MACHINE, business_at=START, seed=1),
        *_package("p1.1", Door.KAFKA, "A", START, (MENDED, 1, Verdict.RETURNED), offset=0),
        *_package("p2.1", Door.JSON, "B", START, (RIGHT, 1, Verdict.ACCEPTED), package_id="pk-p2.1"),
        *_intruder("w1", Door.KAFKA, "A", Outcome.REJECTED, offset=1),
        *_intruder("w2", Door.JSON, "B", Outcome.REJECTED, status=422),
        *_intruder("g1", Door.KAFKA, "A", Outcome.DEAD_LETTER, offset=2),
        *_intruder("g2", Door.JSON, "B", Outcome.REFUSED, status=401, status_expected=401),
        *_package("p1.2", Door.KAFKA, "A", START, (MENDED, 2, Verdict.ACCEPTED), offset=3),
        ClockMoved(machine_at=MACHINE, business_at=REMINDED),
        *_package("p4.1", Door.KAFKA, "A", REMINDED, (EXPLAINED, 1, Verdict.NEEDS_EXPLANATION), offset=4),
        _sending(
            "p4.2",
            Door.KAFKA,
            "A",
            Outcome.EXPLAINED,
            at=REMINDED,
            report=(EXPLAINED, 1, Verdict.ACCEPTED_WITH_WARNINGS),
        ),
        Sent(machine_at=MACHINE, item="p4.2", offset=5),
        ClockMoved(machine_at=MACHINE, business_at=LATE),
        *_package("p5.1", Door.EXCEL, "B", LATE, (LATECOMER, 1, Verdict.ACCEPTED), package_id="pk-p5.1"),
    ]


def facts() -> Facts:
    """What is seen outside when all goes well."""
    return Facts(
        received=(
            _received(MENDED, 1, "p1.1", START),
            _received(MENDED, 2, "p1.2", START),
            _received(RIGHT, 1, "p2.1", START),
            _received(EXPLAINED, 1, "p4.1", REMINDED),
            _received(LATECOMER, 1, "p5.1", LATE),
            _received(HISTORY, 1, "old", START),
        ),
        judgements=(
            _judgement(MENDED, 1, 1, "returned"),
            _judgement(MENDED, 2, 1, "accepted"),
            _judgement(RIGHT, 1, 1, "accepted"),
            _judgement(EXPLAINED, 1, 1, "needs_explanation"),
            _judgement(EXPLAINED, 1, 2, "accepted_with_warnings"),
            _judgement(LATECOMER, 1, 1, "accepted"),
            _judgement(HISTORY, 1, 1, "accepted"),
        ),
        deadlines=(
            *(
                DeadlineFact(f"opened {name}", "opened", name, 1, DUE)
                for name in (MENDED, RIGHT, NEVER, EXPLAINED, LATECOMER)
            ),
            DeadlineFact("opened history", "opened", HISTORY, 1, None),
            _met(MENDED, 2),
            _met(RIGHT, 1),
            _met(EXPLAINED, 1),
            _met(LATECOMER, 1, in_time=False),
            DeadlineFact("passed never", "passed", NEVER, 1, DUE),
            DeadlineFact("passed late", "passed", LATECOMER, 1, DUE),
        ),
        answers=(
            *_answers("p1.1", MENDED, 1, "returned"),
            *_answers("p1.2", MENDED, 2, "accepted"),
            *_answers("p4.1", EXPLAINED, 1, "needs_explanation"),
            Answer("received p4.2", "A", "received", "p4.2", None, "pk-p4.1", None, ((EXPLAINED, 1, None),)),
            _verdict_answer("again p4.1", "p4.1", EXPLAINED, 1, "accepted_with_warnings"),
            Answer("rejected w1", "A", "rejected", "w1", 1, None, findings=("There is no such form",)),
            Answer("rejected g1", "A", "rejected", None, 2, None, findings=("This is not JSON",)),
        ),
        dead_letters=(DeadLetter("dead g1", "ingest", "agency.A.submissions", 0, 2, "not_json", "…"),),
        mails=(
            _mail("m1", "a1", (MENDED, "returned:1.1")),
            _mail("m2", "a2", (MENDED, "returned:1.1")),
            _mail("m3", "a1", (EXPLAINED, "reminder:3")),
            _mail("m4", "b1", (LATECOMER, "reminder:3")),
            _mail("m5", "c1", (NEVER, "reminder:3")),
            _mail("m6", "b1", (LATECOMER, "passed")),
            _mail("m7", "c1", (NEVER, "passed")),
        ),
        notifications=(
            _sent("m1", "A-1", (MENDED, "returned:1.1")),
            _sent("m2", "A-2", (MENDED, "returned:1.1")),
            _sent("m3", "A-1", (EXPLAINED, "reminder:3")),
            _sent("m4", "B-1", (LATECOMER, "reminder:3")),
            _sent("m5", "C-1", (NEVER, "reminder:3")),
            _sent("m6", "B-1", (LATECOMER, "passed")),
            _sent("m7", "C-1", (NEVER, "passed")),
        ),
        statuses=(PackageStatus("pk-p2.1", "accepted"), PackageStatus("pk-p5.1", "accepted")),
        figures={MENDED: 2, RIGHT: 1, EXPLAINED: 1, LATECOMER: 1, HISTORY: 1},
    )


@dataclass(frozen=True)
class World:
    """Both sides of the books."""

    ledger: list[AnyEntry]
    facts: Facts

    def without(self, field: str, event_id: str) -> "World":
        """Lose one fact."""
        kept = tuple(fact for fact in getattr(self.facts, field) if _id(fact) != event_id)
        assert len(kept) == len(getattr(self.facts, field)) - 1, event_id
        return replace(self, facts=spoiled(self.facts, field, kept))

    def with_one_more(self, field: str, fact: object) -> "World":
        """Add a fact."""
        return replace(self, facts=spoiled(self.facts, field, (*getattr(self.facts, field), fact)))

    def changed(self, field: str, event_id: str, **changes: object) -> "World":
        """Change one fact."""
        facts = tuple(
            replace(fact, **changes) if _id(fact) == event_id else fact for fact in getattr(self.facts, field)
        )
        assert facts != getattr(self.facts, field), event_id
        return replace(self, facts=spoiled(self.facts, field, facts))

    def reordered(self, field: str, key: Callable[[Any], Any]) -> "World":
        """Let facts come in another order."""
        return replace(self, facts=spoiled(self.facts, field, tuple(sorted(getattr(self.facts, field), key=key))))

    def sent_again(self, item: str, **changes: object) -> "World":
        """Send a thing a second time."""
        first = next(entry for entry in self.ledger if isinstance(entry, Sent) and entry.item == item)
        again = SendingAgain(machine_at=MACHINE, item=item)
        return replace(self, ledger=[*self.ledger, again, first.model_copy(update=changes)])

    def answered(self, item: str, **changes: object) -> "World":
        """Change what the ledger says came back at once."""
        entries = [
            entry.model_copy(update=changes) if isinstance(entry, Sent) and entry.item == item else entry
            for entry in self.ledger
        ]
        return replace(self, ledger=entries)


def world() -> World:
    """The world whose books balance."""
    return World(ledger(), facts())


def spoiled(facts: Facts, field: str, values: tuple[Any, ...]) -> Facts:
    """Put other facts in the place of some."""
    changes: dict[str, Any] = {field: values}
    return replace(facts, **changes)


def _id(fact: object) -> str:
    for name in ("event_id", "message_id", "package_id"):
        if (value := getattr(fact, name, None)) is not None:
            return str(value)
    raise AssertionError(fact)


def _sending(
    item: str, door: Door, unit: str, outcome: Outcome, *, at: datetime, report: tuple[str, int, Verdict] | None = None
) -> Sending:
    planned = (
        (PlannedReport(delivery=report[0], version=report[1], verdict=report[2], observation_count=3),)
        if report is not None
        else ()
    )
    readable = outcome is not Outcome.DEAD_LETTER and door is Door.KAFKA
    return Sending(
        machine_at=MACHINE,
        item=item,
        case=item.partition(".")[0],
        what="a test",
        door=door,
        unit=unit,
        outcome=outcome,
        business_at=at,
        reports=planned,
        ce_source="urn:test" if readable else None,
        ce_id=item if readable else None,
    )


def _package(
    item: str,
    door: Door,
    unit: str,
    at: datetime,
    report: tuple[str, int, Verdict],
    *,
    offset: int | None = None,
    package_id: str | None = None,
) -> list[AnyEntry]:
    status = 202 if package_id is not None else None
    return [
        _sending(item, door, unit, Outcome.RECEIVED, at=at, report=report),
        Sent(machine_at=MACHINE, item=item, offset=offset, status=status, package_id=package_id),
    ]


def _intruder(
    item: str,
    door: Door,
    unit: str,
    outcome: Outcome,
    *,
    offset: int | None = None,
    status: int | None = None,
    status_expected: int | None = None,
) -> list[AnyEntry]:
    sending = _sending(item, door, unit, outcome, at=START).model_copy(update={"status_expected": status_expected})
    return [sending, Sent(machine_at=MACHINE, item=item, offset=offset, status=status, finding_count=1)]


def _received(delivery: str, version: int, item: str, at: datetime) -> Received:
    return Received(f"received {item}", delivery, version, f"pk-{item}", at + timedelta(seconds=2))


def _judgement(delivery: str, version: int, number: int, verdict: str) -> Judgement:
    return Judgement(f"{delivery} v{version}.{number}", delivery, version, number, verdict, MACHINE)


def _met(delivery: str, version: int, *, in_time: bool = True) -> DeadlineFact:
    return DeadlineFact(f"met {delivery}", "met", delivery, 1, DUE, in_time, version)


def _answers(item: str, delivery: str, version: int, verdict: str) -> list[Answer]:
    package = f"pk-{item}"
    return [
        Answer(f"received {item}", "A", "received", item, None, package, None, ((delivery, version, None),)),
        _verdict_answer(f"verdict {item}", item, delivery, version, verdict),
    ]


def _verdict_answer(event_id: str, item: str, delivery: str, version: int, verdict: str) -> Answer:
    return Answer(event_id, "A", "verdict", item, None, f"pk-{item}", verdict, ((delivery, version, verdict),))


def _mail(message_id: str, person: str, *steps: tuple[str, str]) -> Mail:
    return Mail(message_id, (f"{person}@x.example",), "Nhắc hạn", steps)


def _sent(message_id: str, contact: str, *steps: tuple[str, str]) -> Notification:
    return Notification(f"sent {message_id}", "sent", message_id, contact, steps)
