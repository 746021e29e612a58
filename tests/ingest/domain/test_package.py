"""A package is taken whole, or rejected whole with everything that is wrong with it."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.findings import FINDINGS_SHOWN_MAX
from services.ingest.domain.package import Deliveries, Rejected, Taken, decide
from shared.catalogue.form_cells import cells_of
from shared.delivery_id import DeliveryId
from shared.events.cells import CellKey, Mark
from shared.events.deadlines import ClosedReason
from shared.events.findings import Finding
from tests.builders.catalogue_files import FORM, OTHER_UNIT, UNIT, a_snapshot
from tests.ingest.domain.packages import (
    MONTH,
    QUARTER,
    a_package,
    a_report,
    an_observation,
    codes,
    incoming,
    open_deliveries,
)

SNAPSHOT = a_snapshot()
CLOSED_AT = datetime(2024, 6, 20, tzinfo=UTC)


def decided(body: dict[str, Any], unit: str = UNIT, deliveries: Deliveries | None = None) -> Taken | Rejected:
    return decide(incoming(body), unit, SNAPSHOT, open_deliveries() if deliveries is None else deliveries)


def findings_of(body: dict[str, Any], unit: str = UNIT, deliveries: Deliveries | None = None) -> tuple[Finding, ...]:
    result = decided(body, unit, deliveries)
    assert isinstance(result, Rejected)
    return result.findings


def taken(body: dict[str, Any]) -> Taken:
    result = decided(body)
    assert isinstance(result, Taken), result
    return result


def test_a_submission_lists_every_cell_of_the_form_whatever_was_sent() -> None:
    (report,) = taken(a_package()).reports
    assert [cell.key for cell in report.cells] == [cell.key for cell in cells_of(SNAPSHOT, MONTH)]
    marks = {str(cell.key): cell.mark for cell in report.cells}
    assert marks == {
        "I1.value": Mark.VALUE,
        "I1.cumulative": Mark.MISSING,
        "I1[GEO=568].value": Mark.MISSING,
        "I1[GEO=568].cumulative": Mark.MISSING,
        "I1[GEO=569].value": Mark.NOT_APPLICABLE,
        "I1[GEO=569].cumulative": Mark.NOT_APPLICABLE,
        "I2[GEO=568].value": Mark.MISSING,
    }


def test_marks_and_values_arrive_as_they_were_sent() -> None:
    body = a_package(
        a_report(
            "2024-06",
            "estimate",
            an_observation(value="-"),
            an_observation(value="...", column="cumulative"),
            an_observation("I2", "7.5", dimensions={"GEO": "568"}),
        )
    )
    (report,) = taken(body).reports
    cells = {str(cell.key): (cell.mark, cell.value) for cell in report.cells}
    assert cells["I1.value"] == (Mark.NIL, None)
    assert cells["I1.cumulative"] == (Mark.NOT_COLLECTED, None)
    assert cells["I2[GEO=568].value"] == (Mark.VALUE, Decimal("7.5"))


def test_a_total_said_or_left_out_is_the_same_cell() -> None:
    body = a_package(a_report("2024-06", "estimate", an_observation(dimensions={"GEO": "_T"}), an_observation()))
    assert codes(findings_of(body)) == ["door.same_cell_twice"]


def test_reports_are_numbered_by_the_length_of_their_period() -> None:
    body = a_package(a_report("2024-Q2"), a_report("2024-06"))
    assert [report.delivery for report in taken(body).reports] == [MONTH, QUARTER]


def cell(key: str = "I1", **more: Any) -> dict[str, Any]:
    return a_package(a_report("2024-06", "estimate", an_observation(key, **more)))


@pytest.mark.parametrize(
    ("body", "code", "where"),
    [
        (a_package(form="099.X"), "door.unknown_form", "form"),
        (a_package(on_behalf_of=OTHER_UNIT), "door.on_behalf_of", "on_behalf_of"),
        (a_package(a_report("2024")), "door.no_such_delivery", "reports[0]"),
        (a_package(a_report("2024-06", "final")), "door.no_such_delivery", "reports[0]"),
        (a_package(a_report("2025-06")), "door.not_open", "reports[0]"),
        (a_package(a_report(), a_report()), "door.same_delivery_twice", "reports[1]"),
        (cell("I9"), "door.unknown_indicator", "reports[0].observations[0]"),
        (cell(dimensions={"GEO": "999"}), "door.unknown_code", "reports[0].observations[0]"),
        (cell(dimensions={"SEX": "F"}), "door.unknown_dimension", "reports[0].observations[0]"),
        (cell(column="plan"), "door.unknown_column", "reports[0].observations[0]"),
        (cell("I2", dimensions={"GEO": "569"}), "door.cell_not_on_form", "reports[0].observations[0]"),
        (cell(value="mười hai"), "door.not_a_number", "reports[0].observations[0]"),
        (cell(value="1.234,5"), "door.not_a_number", "reports[0].observations[0]"),
        (cell(value="12.5"), "door.too_many_decimals", "reports[0].observations[0]"),
        (cell(value="9" * 20), "door.number_too_large", "reports[0].observations[0]"),
        (cell(value=1234567890123456789), "door.imprecise_number", "reports[0].observations[0]"),
        (cell(dimensions={"GEO": "569"}), "door.not_applicable", "reports[0].observations[0]"),
    ],
)
def test_each_thing_that_is_wrong_has_its_code_and_place(body: dict[str, Any], code: str, where: str) -> None:
    (found,) = findings_of(body)
    assert (found.rule, found.document) == (code, where)
    assert found.message.vi
    assert found.message.en
    assert found.mend is not None
    assert found.mend.vi
    assert found.mend.en


def test_a_form_of_another_unit_is_not_taken() -> None:
    assert codes(findings_of(a_package(), unit="CTK")) == ["door.not_your_form"]


def test_an_indicator_that_another_unit_reports_on_the_form_is_not_taken() -> None:
    other = DeliveryId.of(OTHER_UNIT, FORM, "2024-06", "estimate")
    body = a_package(a_report("2024-06", "estimate", an_observation("I2", "1.0", dimensions={"GEO": "568"})))
    assert codes(findings_of(body, OTHER_UNIT, open_deliveries([other]))) == ["door.not_your_indicator"]


def test_what_is_open_is_said_where_the_period_is_wrong() -> None:
    (found,) = findings_of(a_package(a_report("2024-05")), deliveries=open_deliveries([MONTH]))
    assert found.rule == "door.not_open"
    assert found.mend is not None
    assert "2024-06 estimate" in found.mend.en


def test_a_closed_delivery_says_when_and_why_it_was_closed() -> None:
    closed = replace(open_deliveries()[MONTH], closed=ClosedReason.EXEMPTED, closed_at=CLOSED_AT)
    (found,) = findings_of(a_package(), deliveries={MONTH: closed})
    assert found.rule == "door.closed"
    assert CLOSED_AT.isoformat() in found.message.en
    assert found.observed == "exempted"


def test_a_similar_code_is_proposed_for_an_unknown_form() -> None:
    (found,) = findings_of(a_package(form="001.T/BCS-B"))
    assert found.expected == FORM


def test_an_empty_value_in_a_cell_that_is_not_applicable_is_no_fault() -> None:
    (report,) = taken(cell(value=None, dimensions={"GEO": "569"})).reports
    assert {str(each.key): each.mark for each in report.cells}["I1[GEO=569].value"] is Mark.NOT_APPLICABLE


def test_all_that_is_wrong_is_said_at_once() -> None:
    wrong = a_report("2024-06", "estimate", an_observation("I9"), an_observation(value="x"))
    body = a_package(wrong, a_report("2024"), on_behalf_of=OTHER_UNIT)
    assert codes(findings_of(body)) == [
        "door.on_behalf_of",
        "door.unknown_indicator",
        "door.not_a_number",
        "door.no_such_delivery",
    ]


def test_a_flood_of_findings_is_capped_and_counted() -> None:
    count = FINDINGS_SHOWN_MAX + 7
    found = findings_of(a_package(a_report("2024-06", "estimate", *(an_observation(f"X{n}") for n in range(count)))))
    assert len(found) == FINDINGS_SHOWN_MAX + 1
    assert (found[-1].rule, found[-1].observed) == ("door.more_findings", str(count))


cell_keys = st.sampled_from([each.key for each in cells_of(SNAPSHOT, MONTH) if each.applicable])
values = st.one_of(st.none(), st.sampled_from(["-", "..."]), st.integers(-(10**9), 10**9))


@given(st.dictionaries(cell_keys, values), st.randoms(use_true_random=False))
def test_the_order_in_which_cells_are_sent_changes_nothing(sent: dict[CellKey, Any], chance: Any) -> None:
    observations = [
        an_observation(key.indicator, value, column=key.column, dimensions=dict(key.dimensions))
        for key, value in sent.items()
    ]
    first = taken(a_package(a_report("2024-06", "estimate", *observations) if observations else empty()))
    chance.shuffle(observations)
    again = taken(a_package(a_report("2024-06", "estimate", *observations) if observations else empty()))
    assert first == again
    assert len(first.reports[0].cells) == len(cells_of(SNAPSHOT, MONTH))


def empty() -> dict[str, Any]:
    return {"period": "2024-06", "status": "estimate", "observations": []}


@given(st.dictionaries(cell_keys, values, min_size=1), st.sampled_from(["x", "1,5", "1e3"]), st.data())
def test_one_bad_cell_rejects_the_whole_package(sent: dict[CellKey, Any], bad: str, data: st.DataObject) -> None:
    spoiled = data.draw(st.sampled_from(sorted(sent, key=str)))
    observations = [
        an_observation(key.indicator, bad if key == spoiled else value, column=key.column,
                       dimensions=dict(key.dimensions))
        for key, value in sent.items()
    ]  # fmt: skip
    body = a_package(a_report("2024-06", "estimate", *observations), a_report("2024-Q2"))
    (found,) = findings_of(body)
    assert found.cell == spoiled
