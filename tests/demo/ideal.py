"""A system without a fault, in memory: plays a scenario minute by minute and tells what it would show outside.

Written from the design's words and apart from `demo.expectations`, so that the two hold each other.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from demo.dispatch import Dispatch, Garbage, GarbageBody
from demo.doors import source_of
from demo.facts import Answer, DeadLetter, DeadlineFact, Facts, Judgement, Mail, Notification, PackageStatus, Received
from demo.ledger import AnyEntry, ClockMoved, Door, Outcome, Sending, Sent, Started, Verdict, worst
from demo.sample import Sample
from demo.scenario import Scenario
from demo.timetable import Due

MACHINE = datetime(2026, 11, 24, 9, tzinfo=UTC)
LONG_AGO = datetime(1900, 1, 1, tzinfo=UTC)
UNREADABLE = {Garbage.NO_ID, Garbage.BAD_HEADER}


@dataclass
class IdealSystem:
    """Its state is what it has published."""

    sample: Sample
    now: datetime = LONG_AGO
    entries: list[AnyEntry] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    judgements: list[Judgement] = field(default_factory=list)
    deadlines: list[DeadlineFact] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)
    notifications: list[Notification] = field(default_factory=list)
    statuses: dict[str, PackageStatus] = field(default_factory=dict)
    figures: dict[str, int] = field(default_factory=dict)
    _machine: datetime = MACHINE
    _offsets: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _met: set[str] = field(default_factory=set)
    _packages: dict[tuple[str, int], str] = field(default_factory=dict)
    _verdicts: dict[str, dict[tuple[str, int], Verdict]] = field(default_factory=dict)

    def play(self, scenario: Scenario) -> None:
        """Play it all, and write the ledger that a planter would write."""
        self.start()
        for stand in scenario.stands:
            if stand.number:
                self.entries.append(ClockMoved(machine_at=self._tick(), business_at=stand.at))
                self.advance(stand.at)
            else:
                self.now = stand.at
                self.entries.append(Started(machine_at=self._tick(), business_at=stand.at, seed=scenario.seed))
            for wave in scenario.waves(stand.number):
                for dispatch in wave:
                    self.entries.append(self._announced(dispatch))
                    self.entries.append(self.take(dispatch))

    def start(self) -> None:
        """Open all deliveries."""
        for due in self.sample.timetable.dues:
            self.deadlines.append(DeadlineFact(f"o{due.delivery}", "opened", due.delivery, 1, due.due_at))

    def advance(self, to: datetime) -> None:
        """Let business time pass."""
        for instant in self.sample.timetable.instants():
            if self.now < instant <= to:
                self._pass(instant)
        self.now = to

    def facts(self) -> Facts:
        """Return what is seen outside."""
        return Facts(
            tuple(self.received),
            tuple(self.judgements),
            tuple(self.deadlines),
            tuple(self.answers),
            tuple(self.dead_letters),
            tuple(self.mails),
            tuple(self.notifications),
            tuple(self.statuses.values()),
            dict(self.figures),
        )

    def _tick(self) -> datetime:
        self._machine += timedelta(milliseconds=37)
        return self._machine

    def _pass(self, instant: datetime) -> None:
        came = {fact.delivery for fact in self.received}
        for due in self.sample.timetable.dues:
            for reminder in self.sample.timetable.reminders:
                if self.sample.timetable.reminder_at(due, reminder) == instant and due.delivery not in came:
                    self._tell(due, f"reminder:{reminder.days_before}", instant)
            if due.due_at == instant and due.delivery not in self._met:
                self.deadlines.append(DeadlineFact(f"p{due.delivery}", "passed", due.delivery, 1, due.due_at))
                self._tell(due, "passed", instant)

    def _tell(self, due: Due, step: str, at: datetime) -> None:
        for contact in self.sample.timetable.told(due, at):
            message_id = f"<{len(self.mails)}@x>"
            steps = ((due.delivery, step),)
            self.mails.append(Mail(message_id, (contact.email,), step, steps))
            self.notifications.append(Notification(f"n{message_id}", "sent", message_id, contact.id, steps))

    def _announced(self, dispatch: Dispatch) -> Sending:
        readable = _has_readable_id(dispatch)
        return Sending(
            machine_at=self._tick(),
            item=dispatch.item,
            case=dispatch.case,
            what=dispatch.what,
            door=dispatch.door,
            unit=dispatch.unit,
            outcome=dispatch.outcome,
            business_at=self.now,
            reports=dispatch.reports,
            ce_source=source_of(dispatch.unit) if readable else None,
            ce_id=dispatch.item if readable else None,
            status_expected=dispatch.status_expected,
        )

    def take(self, dispatch: Dispatch) -> Sent:
        """Take something in at a door; return what the sender sees at once."""
        kafka = dispatch.door is Door.KAFKA
        offset = self._offsets[dispatch.unit] if kafka else None
        self._offsets[dispatch.unit] += kafka
        package = f"pk-{dispatch.item}"
        status = {Outcome.RECEIVED: 202, Outcome.EXPLAINED: 202, Outcome.REJECTED: 422}.get(
            dispatch.outcome, dispatch.status_expected or 400
        )
        event_id = dispatch.item if _has_readable_id(dispatch) else None
        match dispatch.outcome:
            case Outcome.RECEIVED:
                self._receive(dispatch, package, self.now)
            case Outcome.EXPLAINED:
                self._explain(dispatch)
            case Outcome.REJECTED | Outcome.DEAD_LETTER if kafka:
                self._answer(dispatch.unit, "rejected", event_id, offset, findings=("It is wrong",))
        if dispatch.outcome is Outcome.DEAD_LETTER and offset is not None:
            topic = f"agency.{dispatch.unit}.submissions"
            self.dead_letters.append(DeadLetter(dispatch.item, "ingest", topic, 0, offset, "not_json", dispatch.what))
        return Sent(
            machine_at=self._tick(),
            item=dispatch.item,
            offset=offset,
            status=None if kafka else status,
            package_id=None if kafka else package,
            finding_count=int(dispatch.outcome is Outcome.REJECTED),
            problem=None if kafka or status == 202 else dispatch.what,
        )

    def _receive(self, dispatch: Dispatch, package: str, at: datetime) -> None:
        reports = [(report.delivery, report.version, report.verdict) for report in dispatch.reports]
        for delivery, version, verdict in reports:
            self.received.append(Received(f"{delivery}{version}", delivery, version, package, at))
            self._packages[delivery, version] = package
            self._verdicts.setdefault(package, {})[delivery, version] = verdict
            self._judge(delivery, version, 1, verdict, at)
        verdict = worst(verdict for _, _, verdict in reports)
        if dispatch.door is Door.KAFKA:
            receipts = tuple((delivery, version, None) for delivery, version, _ in reports)
            judged = tuple((delivery, version, verdict.value) for delivery, version, verdict in reports)
            self._answer(dispatch.unit, "received", dispatch.item, None, package=package, reports=receipts)
            self._answer(
                dispatch.unit, "verdict", dispatch.item, None, package=package, reports=judged, verdict=verdict.value
            )
        else:
            self.statuses[package] = PackageStatus(package, verdict.value)

    def _explain(self, dispatch: Dispatch) -> None:
        (report,) = dispatch.reports
        received = next(f for f in self.received if (f.delivery, f.version) == (report.delivery, report.version))
        self._judge(report.delivery, report.version, 2, report.verdict, received.received_at)
        package = self._packages[report.delivery, report.version]
        verdicts = self._verdicts[package]
        verdicts[report.delivery, report.version] = report.verdict
        merged = worst(verdicts.values()).value
        if package in self.statuses:
            self.statuses[package] = PackageStatus(package, merged)
            return
        receipt = ((report.delivery, report.version, None),)
        self._answer(dispatch.unit, "received", dispatch.item, None, package=package, reports=receipt)
        judged = tuple((delivery, version, verdict.value) for (delivery, version), verdict in verdicts.items())
        first = package.removeprefix("pk-")
        self._answer(dispatch.unit, "verdict", first, None, package=package, reports=judged, verdict=merged)

    def _judge(self, delivery: str, version: int, number: int, verdict: Verdict, at: datetime) -> None:
        event_id = f"{delivery}{version}.{number}"
        self.judgements.append(Judgement(event_id, delivery, version, number, verdict.value, self._tick()))
        due = next(due for due in self.sample.timetable.dues if due.delivery == delivery)
        if verdict is Verdict.RETURNED:
            self._tell(due, f"returned:{version}.{number}", at)
        if verdict.acceptable:
            self.figures[delivery] = version
            if delivery not in self._met:
                self._met.add(delivery)
                in_time = at <= due.due_at
                self.deadlines.append(DeadlineFact(f"m{delivery}", "met", delivery, 1, due.due_at, in_time, version))

    def _answer(
        self,
        unit: str,
        kind: str,
        event_id: str | None,
        offset: int | None,
        *,
        package: str | None = None,
        verdict: str | None = None,
        reports: tuple[tuple[str, int, str | None], ...] = (),
        findings: tuple[str, ...] = (),
    ) -> None:
        number = f"a{len(self.answers)}"
        self.answers.append(Answer(number, unit, kind, event_id, offset, package, verdict, reports, findings))


def _has_readable_id(dispatch: Dispatch) -> bool:
    unreadable = isinstance(dispatch.body, GarbageBody) and dispatch.body.kind in UNREADABLE
    return dispatch.door is Door.KAFKA and not unreadable
