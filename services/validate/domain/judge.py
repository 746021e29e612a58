"""Judges one version of a report: its rules, their findings, the verdict."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal

from services.validate.domain.figures import References, cell_code
from services.validate.domain.localise import Names, finding_of
from services.validate.domain.rules.compile import CompiledForm, CompiledRule, RuleBook
from services.validate.domain.rules.outcome import Failure, Outcome, Reason, State
from services.validate.domain.verdict import decide
from shared.delivery_id import DeliveryId
from shared.events.cells import CellValue
from shared.events.findings import Finding, Severity, Verdict
from shared.text import Text

UNKNOWN_DELIVERY = "engine.unknown_delivery"
_SEVERITIES = tuple(Severity)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What came of judging one version. The counts are exact; `findings` are the first ones, errors first.

    `warned` are the rules whose warnings want an explanation; `not_applicable` is `rule: reason`, also for rules that
    could be applied to a part of their cells only.
    """

    verdict: Verdict
    error_count: int
    warning_count: int
    findings: tuple[Finding, ...]
    warned: frozenset[str]
    not_applicable: tuple[str, ...]
    states: Mapping[State, int]
    reasons: Mapping[Reason, int]


def assess(
    book: RuleBook,
    delivery: DeliveryId,
    cells: Sequence[CellValue],
    references: References,
    *,
    explained: AbstractSet[str],
    findings_max: int,
) -> Assessment:
    """Judge the cells of one version. `explained` are the rules that the unit has explained with it."""
    form = book.form_for(delivery)
    if form is None:
        return _not_owed(book.release)
    values = form.read(delivery.period, cells, references)
    outcomes = [(rule, rule.run(values)) for rule in form.rules]
    failed = sorted(
        ((rule, failure) for rule, outcome in outcomes for failure in outcome.failures),
        key=lambda found: _SEVERITIES.index(found[0].severity),  # stable: within a severity in the order of the rules
    )
    counts = Counter(rule.severity for rule, _ in failed)
    warned = frozenset(rule.code for rule, _ in failed if rule.severity is Severity.WARNING)
    return Assessment(
        verdict=decide(has_errors=counts[Severity.ERROR] > 0, warned=warned, justified=explained),
        error_count=counts[Severity.ERROR],
        warning_count=counts[Severity.WARNING],
        findings=_said(failed[:findings_max], form, book, delivery, cells),
        warned=warned,
        not_applicable=tuple(f"{rule.code}: {reason}" for rule, outcome in outcomes for reason in outcome.reasons),
        states=Counter(outcome.state for _, outcome in outcomes),
        reasons=_reasons(outcomes),
    )


def numbers_of(cells: Iterable[CellValue]) -> dict[str, Decimal]:
    """Return the numbers of a report as later reports look them up."""
    return {cell_code(cell.key): cell.number for cell in cells if cell.number is not None}


def _said(
    failed: Sequence[tuple[CompiledRule, Failure]],
    form: CompiledForm,
    book: RuleBook,
    delivery: DeliveryId,
    cells: Sequence[CellValue],
) -> tuple[Finding, ...]:
    if not failed:
        return ()
    names, places = Names(book.snapshot, delivery), form.places(cells)
    return tuple(finding_of(rule, failure, form, names, places.get(failure.cell)) for rule, failure in failed)


def _reasons(outcomes: Iterable[tuple[CompiledRule, Outcome]]) -> Mapping[Reason, int]:
    """Count the rules that did not apply at all, each by its first reason."""
    return Counter(
        next(iter(outcome.skipped))[0]
        for _, outcome in outcomes
        if outcome.state is State.NOT_APPLICABLE and outcome.skipped
    )


def _not_owed(release: int) -> Assessment:
    """Accept what a door took in although this release no longer knows the duty.

    That the duty went is the office's doing, between receipt and judgement: nobody is told to mend what is not theirs
    to mend. There is no rule to apply, so the figures pass unchecked, and the finding says so.
    """
    finding = Finding(
        rule=UNKNOWN_DELIVERY,
        severity=Severity.INFORMATION,
        message=Text(
            vi=f"Bản phát hành {release} của danh mục không còn báo cáo này; số liệu được nhận mà không kiểm tra.",
            en=f"Release {release} of the catalogue no longer has this report; the figures are taken unchecked.",
        ),
        mend=Text(vi="Đơn vị không phải làm gì.", en="There is nothing for you to do."),
    )
    return Assessment(
        verdict=Verdict.ACCEPTED,
        error_count=0,
        warning_count=0,
        findings=(finding,),
        warned=frozenset(),
        not_applicable=(f"{UNKNOWN_DELIVERY}: {Reason.UNKNOWN_DELIVERY.value} in release {release}",),
        states=Counter({State.NOT_APPLICABLE: 1}),
        reasons=Counter({Reason.UNKNOWN_DELIVERY: 1}),
    )
