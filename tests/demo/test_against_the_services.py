"""What the demo knows for itself agrees with what the services do: rules, forms, events."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path
from uuid import UUID

import pytest
from openpyxl import load_workbook

from demo.delivery import Delivery
from demo.dispatch import ExplanationBody, PackageBody
from demo.doors import source_of
from demo.facts import Answer, DeadLetter, DeadlineFact, Judgement, Notification, Received
from demo.records import Record, fact_of
from demo.sample import Figures, Sample
from demo.scenario import deal
from demo.wire import cloud_event, encoded, explanation_json, package_json
from demo.workbook import FormError, fill
from services.catalogue.domain.files import read_catalogue
from services.catalogue.domain.workbook import render
from services.validate.domain.figures import AcceptedFigures
from services.validate.domain.judge import assess, numbers_of
from services.validate.domain.rules.compile import RuleBook
from shared.catalogue.form_cells import cells_of
from shared.catalogue.snapshot import Snapshot
from shared.delivery_id import DeliveryId
from shared.events.agency import (
    AgencyVerdictV1,
    Answered,
    ExplanationV1,
    PackageReceivedV1,
    PackageRejectedV1,
    PackageV1,
    Receipt,
    ReportVerdict,
)
from shared.events.base import EventData
from shared.events.catalogue import CalendarV1, CodeListV1, FormV1, IndicatorV1, ObligationV1, RuleV1, UnitV1
from shared.events.cells import CellValue, Mark
from shared.events.dead_letters import DeadLetterV1
from shared.events.deadlines import DeadlineMetV1
from shared.events.findings import Finding, Severity, Verdict
from shared.events.notifications import Notice, NotificationSentV1
from shared.events.submissions import Channel, SubmissionReceivedV1
from shared.events.validation_results import ValidationCompletedV1
from shared.text import Text
from shared.workbook import DATA_SHEET, layout_of

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "khanh-hoa"
START = datetime.fromisoformat("2024-06-10T07:00:20+07:00")
NOW = datetime(2024, 6, 12, 3, tzinfo=UTC)
PACKAGE = UUID("00000000-0000-4000-8000-000000000001")
NAME = "SKHDT/001.T%2FBCS-SKHDT/2024-06/estimate"


@cache
def sample() -> Sample:
    return Sample.read(SAMPLE)


@cache
def snapshot() -> Snapshot:
    texts = {
        path.name: path.read_text(encoding="utf-8") for path in SAMPLE.iterdir() if path.suffix in {".csv", ".json"}
    }
    entities = read_catalogue(texts).entities.values()
    return Snapshot(
        release=1,
        calendar=next(entity for entity in entities if isinstance(entity, CalendarV1)),
        units={entity.code: entity for entity in entities if isinstance(entity, UnitV1)},
        code_lists={entity.id: entity for entity in entities if isinstance(entity, CodeListV1)},
        indicators={entity.code: entity for entity in entities if isinstance(entity, IndicatorV1)},
        forms={entity.code: entity for entity in entities if isinstance(entity, FormV1)},
        rules={entity.code: entity for entity in entities if isinstance(entity, RuleV1)},
        obligations={entity.id: entity for entity in entities if isinstance(entity, ObligationV1)},
    )


def as_taken(delivery: Delivery, figures: Figures) -> list[CellValue]:
    """Every cell of the form, as ingest would publish it."""
    written = {(cell.indicator, cell.dimensions, cell.column): text for cell, text in figures.items()}
    cells = []
    for cell in cells_of(snapshot(), DeliveryId.parse(str(delivery))):
        text = written.pop((cell.key.indicator, cell.key.dimensions, cell.key.column), "")
        if not cell.applicable:
            cells.append(CellValue(key=cell.key, mark=Mark.NOT_APPLICABLE))
        elif text in {"", "-", "..."}:
            mark = {"": Mark.MISSING, "-": Mark.NIL, "...": Mark.NOT_COLLECTED}[text]
            cells.append(CellValue(key=cell.key, mark=mark))
        else:
            cells.append(CellValue(key=cell.key, value=Decimal(text)))
    assert not written, f"not on the form: {written}"
    return cells


@pytest.mark.parametrize("seed", [1, 2])
def test_the_engine_judges_every_planned_report_as_the_planter_expects(seed: int) -> None:
    book, figures = RuleBook(snapshot()), AcceptedFigures()
    for delivery, report in sample().past.items():
        figures.accept(DeliveryId.parse(str(delivery)), numbers_of(as_taken(delivery, report.figures)))
    judged = 0
    for case in deal(sample(), seed, START).cases:
        for dispatch in case.dispatches:
            if isinstance(dispatch.body, ExplanationBody):
                continue
            assert isinstance(dispatch.body, PackageBody)
            for body, planned in zip(dispatch.body.reports, dispatch.reports, strict=True):
                name, cells = DeliveryId.parse(str(body.delivery)), as_taken(body.delivery, body.figures)
                explained = {explanation.rule for explanation in body.explanations}
                references = figures.of(name.unit, name.form)
                assessment = assess(book, name, cells, references, explained=explained, findings_max=10)
                assert assessment.verdict.value == planned.verdict.value, (dispatch.item, assessment.findings)
                if assessment.verdict.acceptable:
                    figures.accept(name, numbers_of(cells))
                judged += 1
    assert judged > 100


def test_what_is_sent_has_the_shape_of_the_contract() -> None:
    for case in deal(sample(), 1, START).cases:
        for dispatch in case.dispatches:
            if isinstance(dispatch.body, PackageBody):
                for numbers in (True, False):
                    PackageV1.model_validate_json(encoded(package_json(dispatch.body, numbers=numbers)))
                headers, _ = cloud_event(dispatch.body, source_of(dispatch.unit), dispatch.item)
                assert dict(headers)["ce_type"].decode() == PackageV1.ce_type
            elif isinstance(dispatch.body, ExplanationBody):
                ExplanationV1.model_validate_json(encoded(explanation_json(dispatch.body)))


@pytest.mark.parametrize("form", ["003.H/BCS-SKHDT", "001.T/BCS-SKHDT", "002.H/BCS-SCT", "001.T/CTK", "002.H/CTK"])
def test_a_form_is_filled_where_its_layout_says(form: str) -> None:
    reports = {name: each.figures for name, each in sample().reports.items() if name.form == form}
    status = "estimate"
    reports = {name: figures for name, figures in reports.items() if name.status == status}
    deliveries = [DeliveryId.parse(str(name)) for name in reports]
    deliveries.sort(key=lambda delivery: delivery.period.month_count)
    rendered = render(snapshot(), form, deliveries, {})
    sheet = load_workbook(BytesIO(fill(rendered, reports)))[DATA_SHEET]
    layout = layout_of({delivery: cells_of(snapshot(), delivery) for delivery in deliveries})
    for name, figures in reports.items():
        for value in as_taken(name, figures):
            found = sheet[layout.places[DeliveryId.parse(str(name)), value.key].address].value
            match value.mark:
                case Mark.VALUE:
                    assert isinstance(found, int | float)
                    assert Decimal(repr(found)) == value.value
                case Mark.MISSING:
                    assert found is None
                case Mark.NIL:
                    assert found == "-"
                case Mark.NOT_COLLECTED:
                    assert found == "..."
                case Mark.NOT_APPLICABLE:
                    assert found == "x"


def test_a_form_without_a_place_for_a_figure_is_refused() -> None:
    (name,) = (
        name
        for name in sample().reports
        if (name.unit, name.form) == ("SXD", "001.Q/BCS-SXD") and name.status == "estimate"
    )
    rendered = render(snapshot(), name.form, [DeliveryId.parse(str(name))], {})
    foreign = next(each.figures for other, each in sample().reports.items() if other.form == "001.T/BCS-SKHDT")
    with pytest.raises(FormError):
        fill(rendered, {name: foreign})


def record(topic: str, data: EventData) -> Record:
    body = json.loads(data.model_dump_json())
    kind = data.ce_type.removeprefix("vn.lienthong.")
    return Record(topic, 3, kind, "urn:lienthong:test", "e1", body, NOW)


FINDING = Finding(rule="door.unknown_form", severity=Severity.ERROR, message=Text(vi="Sai", en="Wrong"))
DELIVERY = DeliveryId.parse(NAME)

EVENTS = [
    (
        "submissions",
        SubmissionReceivedV1(
            delivery_id=DELIVERY,
            package_id=PACKAGE,
            version=2,
            received_at=NOW,
            release=1,
            channel=Channel.KAFKA,
            cells=(),
        ),
        Received("e1", NAME, 2, str(PACKAGE), NOW),
    ),
    (
        "validation-results",
        ValidationCompletedV1(
            delivery_id=DELIVERY,
            package_id=PACKAGE,
            version=2,
            judgement=1,
            received_at=NOW,
            judged_at=NOW,
            release=1,
            verdict=Verdict.RETURNED,
            error_count=1,
            warning_count=0,
            findings=(FINDING,),
        ),
        Judgement("e1", NAME, 2, 1, "returned", NOW),
    ),
    (
        "deadlines",
        DeadlineMetV1(delivery_id=DELIVERY, deadline_version=1, due_at=NOW, version=2, received_at=NOW, in_time=False),
        DeadlineFact("e1", "met", NAME, 1, NOW, in_time=False, version=2),
    ),
    (
        "notifications",
        NotificationSentV1(
            message_id="<m>", contact_id="c", notices=(Notice(delivery_id=DELIVERY, step="passed"),), at=NOW
        ),
        Notification("e1", "sent", "<m>", "c", ((NAME, "passed"),)),
    ),
    (
        "dlq.ingest",
        DeadLetterV1(
            topic="agency.A.submissions",
            partition=0,
            offset=7,
            timestamp=NOW,
            consumer_group="ingest.packages",
            reason="not_json",
            detail="…",
            sha256="0",
        ),
        DeadLetter("e1", "ingest", "agency.A.submissions", 0, 7, "not_json", "…"),
    ),
    (
        "agency.SKHDT.answers",
        PackageReceivedV1(
            package_id=PACKAGE,
            answers=Answered(source="s", id="i"),
            received_at=NOW,
            submissions=(Receipt(delivery_id=DELIVERY, version=2),),
        ),
        Answer("e1", "SKHDT", "received", "i", None, str(PACKAGE), None, ((NAME, 2, None),)),
    ),
    (
        "agency.SKHDT.answers",
        PackageRejectedV1(package_id=None, answers=Answered(offset=9), received_at=NOW, findings=(FINDING,)),
        Answer("e1", "SKHDT", "rejected", None, 9, None, None, (), ("Wrong",)),
    ),
    (
        "agency.SKHDT.answers",
        AgencyVerdictV1(
            package_id=PACKAGE,
            answers=Answered(source="s", id="i"),
            verdict=Verdict.RETURNED,
            reports=(ReportVerdict(delivery_id=DELIVERY, version=2, judgement=1, verdict=Verdict.RETURNED),),
        ),
        Answer("e1", "SKHDT", "verdict", "i", None, str(PACKAGE), "returned", ((NAME, 2, "returned"),)),
    ),
]


@pytest.mark.parametrize(("topic", "data", "fact"), EVENTS, ids=lambda each: getattr(each, "ce_type", ""))
def test_an_event_is_read_as_the_contract_writes_it(topic: str, data: EventData, fact: object) -> None:
    assert fact_of(record(topic, data)) == fact
