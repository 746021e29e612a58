"""A form with rules, one obligation and a report on it: what the rules of validate look at. Keyword only."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from services.validate.domain.figures import AcceptedFigures, cell_code
from services.validate.domain.judge import Assessment, assess
from services.validate.domain.rules.compile import RuleBook
from shared.catalogue.snapshot import Snapshot, obligation_id
from shared.delivery_id import DeliveryId
from shared.events.catalogue import (
    Accumulation,
    CalendarV1,
    Code,
    CodeListV1,
    CodeListVersion,
    Column,
    FormV1,
    FormVersion,
    IndicatorV1,
    IndicatorVersion,
    Line,
    LineDimension,
    NotApplicable,
    ObligationV1,
    ObligationVersion,
    RuleV1,
    RuleVersion,
)
from shared.events.cells import CellKey, CellValue, Mark, Place
from shared.text import Text

UNIT, FORM = "SO-A", "001.T/BCS-A"
MARKS = {"": Mark.MISSING, "-": Mark.NIL, "...": Mark.NOT_COLLECTED}


def a_key(text: str) -> CellKey:
    """Read `I1`, `I1.cumulative`, `I1@GEO=N`, `I1@GEO=N,SEX=F.plan`."""
    body, _, column = text.partition(".")
    indicator, _, codes = body.partition("@")
    dimensions = dict(each.split("=") for each in codes.split(",") if each)
    return CellKey.model_validate({"indicator": indicator, "dimensions": dimensions, "column": column or "value"})


def a_cell(name: str, value: str | int, place: str | None = None) -> CellValue:
    """Return a cell as it arrives; `""`, `-` and `...` are the marks. `place` is an address on the sheet `Biểu`."""
    where = Place(sheet="Biểu", address=place) if place else None
    mark = MARKS.get(str(value), Mark.VALUE)
    number = Decimal(value) if mark is Mark.VALUE else None
    return CellValue(key=a_key(name), mark=mark, value=number, place=where)


def some_cells(**values: str | int) -> tuple[CellValue, ...]:
    """Return cells of indicators by keyword, for forms without dimensions."""
    return tuple(a_cell(name, value) for name, value in values.items())


def a_line(name: str, *, columns: tuple[str, ...] = ("value",), required: bool = True) -> Line:
    """Read `I1` or `I1@GEO` or `I1@GEO,SEX`: one line of the form."""
    indicator, _, dimensions = name.partition("@")
    return Line(
        indicator=indicator,
        dimensions=tuple(LineDimension(dimension=each) for each in dimensions.split(",") if each),
        columns=columns,
        required=required,
    )


def a_rule(expression: str, *, severity: str = "error", tolerance: str = "0", mend: Text | None = None) -> RuleVersion:
    return RuleVersion(
        form=FORM,
        severity=severity,
        expression=expression,
        tolerance=tolerance,
        name=Text(vi="Quy tắc", en="Rule"),
        mend=mend,
    )


def a_delivery(period: str = "2024-06", status: str = "estimate") -> DeliveryId:
    return DeliveryId.of(UNIT, FORM, period, status)


def a_snapshot(
    rules: Mapping[str, RuleVersion | tuple[RuleVersion, ...]],
    *,
    lines: Iterable[Line] = (),
    exempt: tuple[NotApplicable, ...] = (),
    periods: Iterable[str] = ("2024-06", "2024-Q2", "2024-S1", "2024-9M", "2024"),
    stocks: frozenset[str] = frozenset(),
    release: int = 1,
) -> Snapshot:
    """Return a release with one form that the unit owes at every status and frequency of these periods."""
    lines = tuple(lines) or (a_line("I1"),)
    indicators = tuple(dict.fromkeys(line.indicator for line in lines))
    obligations = {}
    for period in periods:
        for status in ("estimate", "preliminary", "final"):
            delivery = a_delivery(period, status)
            owed = obligation_id(UNIT, FORM, delivery.period.frequency, delivery.status)
            version = ObligationVersion(
                unit=UNIT,
                form=FORM,
                frequency=delivery.period.frequency,
                status=delivery.status,
                due_rule="P+0:D18",
                indicators=indicators,
                not_applicable=exempt,
            )
            obligations[owed] = ObligationV1(id=owed, versions=(version,))
    columns = tuple(Column(id=each, name=Text(vi=f"Cột {each}", en=f"Column {each}")) for each in _columns(lines))
    form = FormVersion(title=Text(vi="Biểu", en="Form"), columns=columns, lines=lines)
    return Snapshot(
        release=release,
        calendar=CalendarV1(history_from="2023-01", live_from="2024-06"),
        code_lists={each.id: each for each in CODE_LISTS},
        indicators={each: an_indicator(each, stock=each in stocks) for each in indicators},
        forms={FORM: FormV1(code=FORM, versions=(form,))},
        rules={
            code: RuleV1(code=code, versions=rule if isinstance(rule, tuple) else (rule,))
            for code, rule in rules.items()
        },
        obligations=obligations,
    )


def an_indicator(code: str, *, stock: bool = False) -> IndicatorV1:
    version = IndicatorVersion(
        name=Text(vi=f"Chỉ tiêu {code}", en=f"Indicator {code}"),
        unit_of_measure="người",
        group="01",
        accumulation=Accumulation.STOCK if stock else Accumulation.FLOW,
    )
    return IndicatorV1(code=code, versions=(version,))


def a_code_list(dimension: str, *codes: str) -> CodeListV1:
    """Return a code list; `C<P` is a code C below P."""
    found = tuple(
        Code(code=code, name=Text(vi=f"Mã {code}", en=f"Code {code}"), parent=parent or None)
        for code, _, parent in (each.partition("<") for each in codes)
    )
    name = Text(vi=f"phân tổ {dimension}", en=f"dimension {dimension}")
    return CodeListV1(id=dimension, versions=(CodeListVersion(name=name, codes=found),))


CODE_LISTS = (a_code_list("GEO", "N", "S"), a_code_list("SEX", "F", "M"), a_code_list("TREE", "A", "A1<A", "A2<A", "B"))


def accepted(*figures: tuple[str, Mapping[str, str | int]]) -> AcceptedFigures:
    """Return accepted figures: `("2024-05", {"I1": 5})`, or `("2024-05 final", {…})`; an estimate unless said."""
    known = AcceptedFigures()
    for of, numbers in figures:
        period, _, status = of.partition(" ")
        decimals = {cell_code(a_key(name)): Decimal(number) for name, number in numbers.items()}
        known.accept(a_delivery(period, status or "estimate"), decimals)
    return known


def judged(
    snapshot: Snapshot,
    cells: Iterable[CellValue],
    *,
    period: str = "2024-06",
    known: AcceptedFigures | None = None,
    explained: frozenset[str] = frozenset(),
    findings_max: int = 100,
) -> Assessment:
    """Judge a report of the period, seeing these accepted figures."""
    references = (known or AcceptedFigures()).of(UNIT, FORM)
    return assess(
        RuleBook(snapshot),
        a_delivery(period),
        tuple(cells),
        references,
        explained=explained,
        findings_max=findings_max,
    )


def _columns(lines: Iterable[Line]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(column for line in lines for column in line.columns))
