"""What a unit does about a package that it owes: when it sends, what is wrong with it, whether it mends that. Pure."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from demo.delivery import Delivery
from demo.dispatch import Dispatch, Explanation, ExplanationBody, PackageBody, ReportBody
from demo.faults import Fault, Spoiled, spoil
from demo.ledger import Door, Outcome, PlannedReport, Verdict
from demo.oracle import Oracle
from demo.sample import Figures, Report
from demo.stands import Chances

LATE_STANDS = 2  # who is late sends at one of the next occasions, not a month later
EXPLANATION_TEXTS = (
    "Số liệu đã được đối chiếu với sổ theo dõi của đơn vị; tăng đột biến do một dự án lớn hoàn thành trong kỳ.",
    "Mức tăng là có thật: kỳ trước nhiều hồ sơ chưa được quyết toán nên dồn sang kỳ này.",
    "Đơn vị đã kiểm tra lại với các phòng chuyên môn, số liệu đúng với thực tế phát sinh.",
    "Do mùa vụ năm nay đến sớm hơn, số liệu kỳ này cao hơn thường lệ.",
)


class Fate(StrEnum):
    """The stories that the demo tells, each with how people would put it."""

    RIGHT = "right"
    LATE = "right but late"
    NEVER = "never sent"
    MENDED = "returned, mended in time"
    MENDED_TWICE = "returned twice, then mended"
    MENDED_LATE = "returned, mended too late"
    ABANDONED = "returned, never mended"
    FORESEEN = "surprising, explained at once"
    EXPLAINED = "surprising, explained when asked"
    EXPLAINED_LATE = "surprising, explained after the deadline"


@dataclass(frozen=True, slots=True)
class Owed:
    """A package that is due: one unit, form and status, the deliveries of one day."""

    name: str
    unit: str
    form: str
    status: str
    reports: tuple[Report, ...]
    door: Door
    chances: Chances

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """Its deliveries, shorter periods first."""
        return tuple(report.delivery for report in self.reports)


class ImpossibleFateError(Exception):
    """A package cannot have this fate: no stand, or no rule that would notice."""


@dataclass
class Story:
    """Collects what a unit sends about one package. `versions` counts what it has sent of each delivery."""

    owed: Owed
    oracle: Oracle
    chance: random.Random
    dispatches: list[Dispatch] = field(default_factory=list)
    versions: dict[Delivery, int] = field(default_factory=dict)

    def tell(self, fate: Fate, fault: Fault | None = None, second: Fault | None = None) -> Sequence[Dispatch]:
        """Return what is sent, in order. Raises ImpossibleFateError."""
        match fate:
            case Fate.RIGHT:
                self._send(self._one_of(self.owed.chances.in_time), 0, fate.value)
            case Fate.LATE:
                self._send(self._one_of(self.owed.chances.late[:LATE_STANDS]), 0, fate.value)
            case Fate.NEVER:
                pass
            case Fate.MENDED | Fate.MENDED_TWICE | Fate.MENDED_LATE | Fate.ABANDONED if fault is not None:
                self._tell_of_fault(fate, fault, second)
            case Fate.FORESEEN | Fate.EXPLAINED | Fate.EXPLAINED_LATE:
                self._tell_of_surprise(fate)
            case _:
                raise ValueError(f"{fate} needs a fault")
        return self.dispatches

    def _tell_of_fault(self, fate: Fate, fault: Fault, second: Fault | None) -> None:
        stand = self._one_of(self.owed.chances.in_time)
        report, spoiled = self._spoil(fault)
        self._send(stand, 0, fault.value, {report.delivery: spoiled})
        if fate is Fate.ABANDONED:
            return
        if fate is Fate.MENDED_LATE:
            self._send(self._one_of(self.owed.chances.late[:LATE_STANDS]), 0, "corrected", only=report)
            return
        wave = 1
        if fate is Fate.MENDED_TWICE and second is not None:
            again = self._spoil_one(second, report)
            if again is None:
                raise ImpossibleFateError(f"{self.owed.name}: no rule notices {second}")
            self._send(stand, wave, second.value, {report.delivery: again}, only=report)
            wave += 1
        self._send(stand, wave, "corrected", only=report)

    def _tell_of_surprise(self, fate: Fate) -> None:
        stand = self._one_of(self.owed.chances.in_time)
        report, spoiled = self._spoil(Fault.SURPRISE)
        if fate is Fate.FORESEEN:
            if self.owed.door is Door.EXCEL:
                raise ImpossibleFateError(f"{self.owed.name}: a form has no place for an explanation")
            self._send(stand, 0, fate.value, {report.delivery: spoiled}, foreseen=True)
            return
        self._send(stand, 0, spoiled.fault.value, {report.delivery: spoiled})
        if fate is Fate.EXPLAINED:
            self._explain(stand, 1, report.delivery, spoiled)
        else:
            self._explain(self._one_of(self.owed.chances.late[:LATE_STANDS]), 0, report.delivery, spoiled)

    def _one_of(self, numbers: Sequence[int]) -> int:
        if not numbers:
            raise ImpossibleFateError(f"{self.owed.name}: there is no moment for it")
        return self.chance.choice(numbers)

    def _spoil(self, fault: Fault) -> tuple[Report, Spoiled]:
        """Spoil a report where its rules can notice.

        A surprise must not reach the other report of a package, which is checked against this one: the last one it is.
        """
        reports = list(self.owed.reports)
        self.chance.shuffle(reports)
        for report in self.owed.reports[-1:] if fault is Fault.SURPRISE else reports:
            spoiled = self._spoil_one(fault, report)
            if spoiled is not None:
                return report, spoiled
        raise ImpossibleFateError(f"{self.owed.name}: no rule notices {fault}")

    def _spoil_one(self, fault: Fault, report: Report) -> Spoiled | None:
        others = {other.delivery: other.figures for other in self.owed.reports if other is not report}
        return spoil(fault, report, others, self.oracle, self.chance)

    def _send(
        self,
        stand: int,
        wave: int,
        what: str,
        spoiled: Mapping[Delivery, Spoiled] | None = None,
        *,
        only: Report | None = None,
        foreseen: bool = False,
    ) -> None:
        spoiled = spoiled or {}
        bodies, planned = [], []
        for report in self.owed.reports if only is None else (only,):
            found = spoiled.get(report.delivery)
            figures: Figures = found.figures if found is not None else report.figures
            verdict = found.verdict if found is not None else Verdict.ACCEPTED
            explanations: tuple[Explanation, ...] = ()
            if foreseen and found is not None:
                verdict, explanations = Verdict.ACCEPTED_WITH_WARNINGS, self._explanations(found.rules)
            version = self.versions.get(report.delivery, 0) + 1
            self.versions[report.delivery] = version
            bodies.append(ReportBody(report.delivery, figures, explanations))
            count = sum(text != "" for text in figures.values())
            planned.append(
                PlannedReport(delivery=str(report.delivery), version=version, verdict=verdict, observation_count=count)
            )
        body = PackageBody(self.owed.form, self.owed.reports[0].document_number, tuple(bodies))
        self._add(stand, wave, what, outcome=Outcome.RECEIVED, body=body, reports=tuple(planned))

    def _explain(self, stand: int, wave: int, delivery: Delivery, spoiled: Spoiled) -> None:
        version = self.versions[delivery]
        body = ExplanationBody(delivery, version, self._explanations(spoiled.rules))
        planned = PlannedReport(
            delivery=str(delivery), version=version, verdict=Verdict.ACCEPTED_WITH_WARNINGS, observation_count=0
        )
        self._add(stand, wave, "explanation", outcome=Outcome.EXPLAINED, body=body, reports=(planned,))

    def _add(
        self,
        stand: int,
        wave: int,
        what: str,
        *,
        outcome: Outcome,
        body: PackageBody | ExplanationBody,
        reports: tuple[PlannedReport, ...],
    ) -> None:
        door = self.owed.door
        if isinstance(body, ExplanationBody) and door is Door.EXCEL:
            door = Door.JSON  # explanations are written on the page or by a program, not in the form
        item = f"{self.owed.name}.{len(self.dispatches) + 1}"
        self.dispatches.append(
            Dispatch(item, self.owed.name, what, stand, wave, door, self.owed.unit, outcome, body, reports)
        )

    def _explanations(self, rules: Iterable[str]) -> tuple[Explanation, ...]:
        return tuple(Explanation(rule, self.chance.choice(EXPLANATION_TEXTS)) for rule in rules)
