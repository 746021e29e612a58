"""The engine of validate and the oracle find the same faults in the sample, sound and spoilt."""

import random
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from functools import cache

import pytest

from services.catalogue.domain.files import read_catalogue
from services.validate.domain.figures import AcceptedFigures
from services.validate.domain.judge import assess, numbers_of
from services.validate.domain.rules.compile import RuleBook
from shared.catalogue.form_cells import cells_of as form_cells_of
from shared.catalogue.snapshot import Snapshot
from shared.delivery_id import DeliveryId
from shared.events.catalogue import CalendarV1, CodeListV1, FormV1, IndicatorV1, ObligationV1, RuleV1, UnitV1
from shared.events.cells import CellKey, CellValue, Mark
from tests.examples.oracle import Figures, accept, check
from tests.examples.sample import FOLDER, HISTORY, JUNE, Report, reports

SPOILT_CELLS = 400
FINDINGS_MAX = 10_000


@cache
def _snapshot() -> Snapshot:
    texts = {
        path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir() if path.suffix in (".csv", ".json")
    }
    entities = read_catalogue(texts).entities.values()
    (calendar,) = (entity for entity in entities if isinstance(entity, CalendarV1))
    return Snapshot(
        release=1,
        calendar=calendar,
        units={entity.code: entity for entity in entities if isinstance(entity, UnitV1)},
        code_lists={entity.id: entity for entity in entities if isinstance(entity, CodeListV1)},
        indicators={entity.code: entity for entity in entities if isinstance(entity, IndicatorV1)},
        forms={entity.code: entity for entity in entities if isinstance(entity, FormV1)},
        rules={entity.code: entity for entity in entities if isinstance(entity, RuleV1)},
        obligations={entity.id: entity for entity in entities if isinstance(entity, ObligationV1)},
    )


def _delivery(report: Report) -> DeliveryId:
    return DeliveryId.of(report.unit, report.form, report.period, report.status)


def _cells(report: Report) -> list[CellValue]:
    """Every cell of the form as it travels, from the oracle's report."""
    cells = []
    for cell in form_cells_of(_snapshot(), _delivery(report)):
        written = report.values.get((cell.key.indicator, cell.key.dimensions, cell.key.column), "")
        if not cell.applicable:
            cells.append(CellValue(key=cell.key, mark=Mark.NOT_APPLICABLE))
        elif written in ("", "-", "..."):
            mark = {"": Mark.MISSING, "-": Mark.NIL, "...": Mark.NOT_COLLECTED}[written]
            cells.append(CellValue(key=cell.key, mark=mark))
        else:
            cells.append(CellValue(key=cell.key, value=Decimal(written)))
    return cells


class Both:
    """Judges by the engine and by the oracle, and remembers what was accepted in both."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self.book, self.figures, self.accepted = RuleBook(snapshot or _snapshot()), AcceptedFigures(), Figures()

    def accept(self, report: Report) -> None:
        self.figures.accept(_delivery(report), numbers_of(_cells(report)))
        accept(report, self.accepted)

    def judge(self, report: Report) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
        """Count (rule, cell) found by the engine, and by the oracle."""
        references = self.figures.of(report.unit, report.form)
        found = assess(
            self.book, _delivery(report), _cells(report), references, explained=set(), findings_max=FINDINGS_MAX
        ).findings
        oracle = check(report, self.accepted)[0]
        return (
            Counter((finding.rule, str(finding.cell)) for finding in found),
            Counter(
                (failure.rule.code, str(CellKey(indicator=i, dimensions=k, column=c)))
                for failure in oracle
                for i, k, c in [failure.cell]
            ),
        )


def test_the_loader_and_the_oracle_explode_forms_into_the_same_cells() -> None:
    for name in (*HISTORY, JUNE):
        for report in reports(name):
            cells = form_cells_of(_snapshot(), _delivery(report))
            assert [(c.key.indicator, c.key.dimensions, c.key.column) for c in cells if c.applicable] == list(
                report.values
            )


def test_the_engine_finds_nothing_in_the_sample() -> None:
    both = Both()
    for name in (*HISTORY, JUNE):
        for report in reports(name):
            assert both.judge(report) == (Counter(), Counter())
            both.accept(report)


@pytest.mark.parametrize("seed", range(3))
def test_the_engine_and_the_oracle_agree_about_spoilt_reports(seed: int) -> None:
    chance, both, agreed = random.Random(seed), Both(), 0  # noqa: S311 - spoils figures, guards nothing
    for name in HISTORY:
        for report in reports(name):
            both.accept(report)
    june = reports(JUNE)
    share = SPOILT_CELLS / sum(len(report.values) for report in june)
    for report in june:
        spoilt = Report(report.unit, report.form, report.period, report.status, report.document, dict(report.values))
        for cell in report.values:
            if chance.random() < share:
                factor = chance.choice(("0", "0.3", "0.999", "1.02", "1.5", "3", "1000", "-1", "", "..."))
                number = report.number(cell)
                spoilt.values[cell] = (
                    factor if factor in ("", "...") or number is None else str(number * Decimal(factor))
                )
        engine, oracle = both.judge(spoilt)
        assert engine == oracle, (report.unit, report.form, report.period)
        agreed += oracle.total()
        both.accept(spoilt)  # spoilt references, too: the next period looks at them
    assert agreed > SPOILT_CELLS / 2


def test_an_engine_without_rules_would_not_agree() -> None:
    both = Both(replace(_snapshot(), rules={}))
    report = reports(JUNE)[0]
    report.values[next(iter(report.values))] = ""
    engine, oracle = both.judge(report)
    assert not engine
    assert oracle
