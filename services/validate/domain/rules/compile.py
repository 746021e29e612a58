"""Binds the rules of a form to its cells, once for a release, an obligation and a stretch of validity."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cached_property

from services.validate.domain.figures import References, cell_code
from services.validate.domain.rules.check import (
    Check,
    CompareCheck,
    CumulativeCheck,
    PartsCheck,
    RangeCheck,
    RatioCheck,
    RequiredCheck,
    TotalCheck,
    Values,
    evaluate,
    parts_of,
)
from services.validate.domain.rules.language import (
    Compare,
    Cumulative,
    Indicators,
    Parts,
    Range,
    Ratio,
    Required,
    Rule,
    RuleSyntaxError,
    Total,
    parse,
)
from services.validate.domain.rules.outcome import Outcome, Reason, not_applicable
from shared.catalogue.form_cells import FormCell, cells_of
from shared.catalogue.snapshot import Snapshot, obligation_id
from shared.delivery_id import DeliveryId
from shared.events.catalogue import Accumulation, RuleVersion, Valid
from shared.events.cells import VALUE_COLUMN, CellKey, CellValue, Dimensions, Mark, Place
from shared.events.findings import Severity
from shared.periods import Frequency, Period
from shared.text import Text

CUMULATIVE_COLUMN = "cumulative"
_Key = tuple[str, Dimensions, str]


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule bound to a form's cells; without a `check`, `reason` says why it cannot apply."""

    code: str
    severity: Severity
    tolerance: Decimal
    mend: Text | None
    check: Check | None
    reason: Reason = Reason.NO_SUCH_CELL
    detail: str = ""

    def run(self, values: Values) -> Outcome:
        """Evaluate the rule on one report."""
        if self.check is None:
            return not_applicable(self.reason, self.detail)
        return evaluate(self.check, values, self.tolerance)


@dataclass(frozen=True)
class CompiledForm:
    """A form as one unit fills it, with its rules. Cells are known by their index in `cells`."""

    cells: tuple[FormCell, ...]
    rules: tuple[CompiledRule, ...]

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """The cells' keys in accepted figures."""
        return tuple(cell_code(cell.key) for cell in self.cells)

    @cached_property
    def _index(self) -> Mapping[_Key, int]:
        return {_key(cell.key): index for index, cell in enumerate(self.cells)}

    def read(self, period: Period, cells: Iterable[CellValue], references: References) -> Values:
        """Return what the checks see of a report. A cell of the form that it does not list is missing.

        Cells that the form does not have are left out; no check looks at cells that do not apply to the unit.
        """
        numbers: list[Decimal | None] = [None] * len(self.cells)
        marks = [Mark.MISSING] * len(self.cells)
        for value in cells:
            index = self._index.get(_key(value.key))
            if index is not None:
                empty = value.mark is Mark.VALUE and value.value is None
                marks[index] = Mark.MISSING if empty else value.mark
                numbers[index] = value.number
        return Values(period, numbers, marks, self.codes, references)

    def places(self, cells: Iterable[CellValue]) -> Mapping[int, Place]:
        """Return where the cells stood in the sender's workbook, by index."""
        return {
            self._index[_key(value.key)]: value.place
            for value in cells
            if value.place is not None and _key(value.key) in self._index
        }

    def unknown(self, cells: Iterable[CellValue]) -> tuple[CellKey, ...]:
        """Return the cells that are not on the form."""
        return tuple(value.key for value in cells if _key(value.key) not in self._index)

    def periods(self, period: Period) -> frozenset[Period]:
        """Return the other periods whose accepted figures the rules need."""
        return frozenset(other for rule in self.rules if rule.check for other in rule.check.periods(period))


@dataclass
class RuleBook:
    """All forms and rules of one release; compiles a form when it is first asked for.

    What holds changes only on the days where a version begins or ends, so one compiled form serves all periods
    between two such days: there are at most (obligations × such days) of them.
    """

    snapshot: Snapshot
    _forms: dict[tuple[str, int], CompiledForm | None] = field(default_factory=dict)

    @property
    def release(self) -> int:
        """The catalogue release that it comes from."""
        return self.snapshot.release

    def form_for(self, delivery: DeliveryId) -> CompiledForm | None:
        """Return the compiled form of a delivery, or None when nobody owes it in this release."""
        day = delivery.period.bounds()[1].toordinal()
        owed = obligation_id(delivery.unit, delivery.form, delivery.period.frequency, delivery.status)
        key = (owed, bisect_right(self._change_days, day))
        if key not in self._forms:
            self._forms[key] = compile_form(self.snapshot, delivery)
        return self._forms[key]

    @cached_property
    def _change_days(self) -> Sequence[int]:
        snapshot = self.snapshot
        histories: tuple[Iterable[Sequence[Valid]], ...] = (
            (entity.versions for entity in snapshot.forms.values()),
            (entity.versions for entity in snapshot.rules.values()),
            (entity.versions for entity in snapshot.obligations.values()),
            (entity.versions for entity in snapshot.code_lists.values()),
            (entity.versions for entity in snapshot.indicators.values()),
        )
        days: set[int] = set()
        for versions in (versions for history in histories for versions in history):
            for version in versions:
                if version.valid_from is not None:
                    days.add(version.valid_from.toordinal())
                if version.valid_until is not None:
                    days.add(version.valid_until.toordinal() + 1)
        return sorted(days)


def compile_form(snapshot: Snapshot, delivery: DeliveryId) -> CompiledForm | None:
    """Bind the rules that hold for a delivery to its cells; None when nobody owes it."""
    cells = cells_of(snapshot, delivery)
    if not cells:
        return None
    binder = _Binder(snapshot, delivery.period, cells)
    rules = snapshot.rules_for(delivery.form, delivery.period)
    return CompiledForm(cells, tuple(_compile(code, rule, binder) for code, rule in rules))


def _compile(code: str, version: RuleVersion, binder: "_Binder") -> CompiledRule:
    """Compile one rule. One that cannot be read applies to nothing: it is our fault, and no sender pays for it."""
    severity, tolerance = Severity(version.severity), Decimal(0)
    try:
        tolerance = Decimal(version.tolerance)
        check = binder.bind(parse(version.expression))
    except RuleSyntaxError as error:
        return CompiledRule(code, severity, tolerance, version.mend, None, Reason.UNREADABLE_RULE, str(error))
    except InvalidOperation:
        detail = f"the tolerance {version.tolerance!r} is no decimal"
        return CompiledRule(code, severity, tolerance, version.mend, None, Reason.UNREADABLE_RULE, detail)
    if not (tolerance.is_finite() and tolerance >= 0):
        detail = f"the tolerance {version.tolerance!r} is below zero or not finite"
        return CompiledRule(code, severity, Decimal(0), version.mend, None, Reason.UNREADABLE_RULE, detail)
    if isinstance(check, Reason):
        return CompiledRule(code, severity, tolerance, version.mend, None, check)
    return CompiledRule(code, severity, tolerance, version.mend, check)


class _Binder:
    """Finds the cells that a rule speaks of."""

    def __init__(self, snapshot: Snapshot, period: Period, cells: Sequence[FormCell]) -> None:
        self._snapshot = snapshot
        self._period = period
        self._day = period.bounds()[1]
        self._cells = cells
        self._index = {_key(cell.key): index for index, cell in enumerate(cells) if cell.applicable}

    def bind(self, rule: Rule) -> Check | Reason:  # noqa: PLR0911 -- one a kind of rule
        """Return the check, or why the rule has nothing to check."""
        match rule:
            case Required(indicators):
                return self._on_cells(RequiredCheck, (i for i in self._of(indicators) if self._cells[i].required))
            case Total(indicators, dimension):
                sums = tuple(self._sums(indicators, dimension))
                return TotalCheck(dimension, sums) if sums else Reason.NO_SUCH_CELL
            case Cumulative(indicators):
                return self._cumulative(indicators)
            case Parts(indicators):
                return self._parts(indicators)
            case Ratio(indicators, reference, low, high):
                cells = self._of(indicators, VALUE_COLUMN)
                return self._on_cells(lambda found: RatioCheck(found, reference, low, high), cells)
            case Compare():
                return self._compare(rule)
            case Range(indicators, low, high):
                return self._on_cells(lambda found: RangeCheck(found, low, high), self._of(indicators))

    @staticmethod
    def _on_cells(check: Callable[[tuple[int, ...]], Check], cells: Iterable[int]) -> Check | Reason:
        found = tuple(cells)
        return check(found) if found else Reason.NO_SUCH_CELL

    def _of(self, indicators: Indicators, column: str | None = None) -> Iterator[int]:
        return (
            index
            for (indicator, _, of_column), index in self._index.items()
            if indicator in indicators and column in (None, of_column)
        )

    def _flows(self, indicators: Indicators) -> Indicators:
        """Return what `*` stands for where figures are added over time: only flows add up."""
        if indicators.codes:
            return indicators
        flows = {cell.key.indicator for cell in self._cells if self._is_flow(cell.key.indicator)}
        return Indicators(tuple(sorted(flows)) or ("",))

    def _is_flow(self, indicator: str) -> bool:
        version = self._snapshot.indicator(indicator, self._day)
        return version is not None and version.accumulation is Accumulation.FLOW

    def _cumulative(self, indicators: Indicators) -> Check | Reason:
        if self._period.frequency is not Frequency.MONTH:
            return Reason.OTHER_FREQUENCY
        pairs = []
        for index in self._of(self._flows(indicators), CUMULATIVE_COLUMN):
            key = self._cells[index].key
            value = self._index.get((key.indicator, key.dimensions, VALUE_COLUMN))
            if value is not None:
                pairs.append((index, value))
        return CumulativeCheck(tuple(pairs)) if pairs else Reason.NO_SUCH_CELL

    def _parts(self, indicators: Indicators) -> Check | Reason:
        if parts_of(self._period) is None:
            return Reason.OTHER_FREQUENCY
        return self._on_cells(PartsCheck, self._of(self._flows(indicators), VALUE_COLUMN))

    def _compare(self, rule: Compare) -> Check | Reason:
        pairs = []
        for index in self._of(Indicators((rule.left,))):
            key = self._cells[index].key
            other = self._index.get((rule.right, key.dimensions, key.column))
            if other is not None:
                pairs.append((index, other))
        return CompareCheck(tuple(pairs), rule.comparison) if pairs else Reason.NO_SUCH_CELL

    def _sums(self, indicators: Indicators, dimension: str) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield each total and its parts. Codes below another code of the form are in that one already."""
        groups: dict[_Key, list[tuple[str, int]]] = defaultdict(list)
        for index in self._of(indicators):
            key = self._cells[index].key
            held = dict(key.dimensions)
            code = held.pop(dimension, None)
            if code is not None:
                groups[key.indicator, tuple(sorted(held.items())), key.column].append((code, index))
        listed = self._snapshot.code_list(dimension, self._day)
        parents = {code.code: code.parent for code in listed.codes} if listed else {}
        for total_key, parts in groups.items():
            total = self._index.get(total_key)
            if total is not None:
                codes = {code for code, _ in parts}
                yield total, tuple(index for code, index in parts if parents.get(code) not in codes)


def _key(key: CellKey) -> _Key:
    return key.indicator, key.dimensions, key.column
