"""What must have happened, worked out from the ledger and the timetable alone. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from demo.ledger import AnyEntry, ClockMoved, Outcome, Sending, Started, Verdict
from demo.timetable import Due, Timetable


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a delivery: when it came in, its judgement 1, and what an explanation made of it."""

    number: int
    received_at: datetime
    verdict: Verdict
    explained_at: datetime | None = None
    explained_verdict: Verdict | None = None

    def verdict_by(self, instant: datetime) -> Verdict:
        """Return the latest verdict that stood at an instant."""
        if self.explained_verdict is not None and self.explained_at is not None and self.explained_at <= instant:
            return self.explained_verdict
        return self.verdict


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one delivery that somebody is told, and the instant from which it is true."""

    delivery: str
    step: str
    at: datetime


@dataclass(frozen=True)
class Story:
    """What happens to one delivery, and by when it must have ended."""

    due: Due
    versions: Sequence[Version]
    until: datetime

    @property
    def met_by(self) -> Version | None:
        """The first acceptable version (phiên bản đầu tiên đạt yêu cầu), or None."""
        return next((version for version in self.versions if version.verdict_by(self.until).acceptable), None)

    @property
    def state(self) -> str:
        """The delivery's last state."""
        if (met_by := self.met_by) is not None:
            return "met_in_time" if met_by.received_at < self.due.ends_at else "met_late"
        return self.versions[-1].verdict_by(self.until).value if self.versions else "open"

    @property
    def passes(self) -> bool:
        """Whether the deadline passes without an acceptable version."""
        ends_at = self.due.ends_at
        return ends_at <= self.until and not any(
            version.received_at < ends_at and version.verdict_by(self.due.due_at).acceptable
            for version in self.versions
        )


@dataclass(frozen=True)
class Expectations:
    """The planter's side of the books."""

    started_at: datetime
    until: datetime
    sendings: Sequence[Sending]
    stories: dict[str, Story]
    steps: Sequence[Step] = field(default_factory=list)


def expectations_of(ledger: Iterable[AnyEntry], timetable: Timetable) -> Expectations:
    """Work out what must have happened. Raises ValueError for a ledger that does not begin with a start."""
    entries = list(ledger)
    if not entries or not isinstance(entries[0], Started):
        raise ValueError("the ledger does not begin with the start of the stack")
    started_at = entries[0].business_at
    until = max(entry.business_at for entry in entries if isinstance(entry, Started | ClockMoved | Sending))
    sendings = [entry for entry in entries if isinstance(entry, Sending)]
    versions = _versions(sendings)
    stories = {due.delivery: Story(due, versions.get(due.delivery, []), until) for due in timetable.dues}
    steps = [
        step
        for story in stories.values()
        for step in (*_reminders(story, timetable, started_at), *_passed(story), *_returned(story))
    ]
    return Expectations(started_at, until, sendings, stories, steps)


def _versions(sendings: Iterable[Sending]) -> dict[str, list[Version]]:
    versions: dict[str, list[Version]] = defaultdict(list)
    for sending in sendings:
        for report in sending.reports:
            if sending.outcome is Outcome.RECEIVED:
                versions[report.delivery].append(Version(report.version, sending.business_at, report.verdict))
            elif sending.outcome is Outcome.EXPLAINED:
                index = report.version - 1
                before = versions[report.delivery][index]
                versions[report.delivery][index] = Version(
                    before.number, before.received_at, before.verdict, sending.business_at, report.verdict
                )
    return versions


def _reminders(story: Story, timetable: Timetable, started_at: datetime) -> Iterable[Step]:
    for reminder in timetable.reminders:
        at = timetable.reminder_at(story.due, reminder)
        received = any(version.received_at <= at for version in story.versions)
        if started_at < at <= story.until and not received:
            yield Step(story.due.delivery, reminder.step, at)


def _passed(story: Story) -> Iterable[Step]:
    if story.passes:
        yield Step(story.due.delivery, "passed", story.due.due_at)


def _returned(story: Story) -> Iterable[Step]:
    for version in story.versions:
        if version.verdict is Verdict.RETURNED:
            yield Step(story.due.delivery, f"returned:{version.number}.1", version.received_at)
        if version.explained_verdict is Verdict.RETURNED and version.explained_at is not None:
            yield Step(story.due.delivery, f"returned:{version.number}.2", version.explained_at)
