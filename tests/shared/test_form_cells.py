from shared.catalogue.form_cells import cells_of
from shared.catalogue.snapshot import Snapshot, obligation_id
from shared.delivery_id import DeliveryId, Status
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
)
from shared.periods import Frequency
from shared.text import Text
from shared.workbook import FIRST_DATA_ROW, address_of, layout_of

NAME = Text(vi="tên", en="name")
MONTH = DeliveryId.of("U1", "F/1", "2024-06", "estimate")
QUARTER = DeliveryId.of("U1", "F/1", "2024-Q2", "estimate")


def a_catalogue(not_applicable: tuple[NotApplicable, ...] = (), indicators: tuple[str, ...] = ("A", "B")) -> Snapshot:
    def codes(dimension: str, *values: str) -> tuple[str, CodeListV1]:
        version = CodeListVersion(name=NAME, codes=tuple(Code(code=value, name=NAME) for value in values))
        return dimension, CodeListV1(id=dimension, versions=(version,))

    form = FormVersion(
        title=NAME,
        columns=(Column(id="value", name=NAME), Column(id="cumulative", name=NAME, frequencies=(Frequency.MONTH,))),
        lines=(
            Line(indicator="A", columns=("value", "cumulative")),
            Line(indicator="A", dimensions=(LineDimension(dimension="GEO"),), columns=("value",), decimals=1),
            Line(
                indicator="B",
                dimensions=(LineDimension(dimension="SEX"), LineDimension(dimension="GEO", codes=("2",))),
                columns=("value",),
            ),
        ),
    )
    obligations = {
        obligation_id("U1", "F/1", frequency, Status.ESTIMATE): ObligationV1(
            id="…",
            versions=(
                ObligationVersion(
                    unit="U1",
                    form="F/1",
                    frequency=frequency,
                    status=Status.ESTIMATE,
                    due_rule="P+0:D18",
                    indicators=indicators,
                    not_applicable=not_applicable,
                ),
            ),
        )
        for frequency in (Frequency.MONTH, Frequency.QUARTER)
    }
    indicator = IndicatorVersion(name=NAME, unit_of_measure="ha", group="01", accumulation=Accumulation.FLOW)
    return Snapshot(
        release=1,
        calendar=CalendarV1(history_from="2023-06", live_from="2024-06"),
        code_lists=dict([codes("GEO", "1", "2"), codes("SEX", "F", "M")]),
        indicators={code: IndicatorV1(code=code, versions=(indicator,)) for code in "AB"},
        forms={"F/1": FormV1(code="F/1", versions=(form,))},
        obligations=obligations,
    )


def test_lines_explode_into_the_product_of_their_codes_and_columns() -> None:
    assert [str(cell.key) for cell in cells_of(a_catalogue(), MONTH)] == [
        "A.value",
        "A.cumulative",
        "A[GEO=1].value",
        "A[GEO=2].value",
        "B[GEO=2,SEX=F].value",
        "B[GEO=2,SEX=M].value",
    ]


def test_a_column_of_another_frequency_and_an_indicator_that_is_not_owed_are_left_out() -> None:
    cells = cells_of(a_catalogue(indicators=("A",)), QUARTER)
    assert [str(cell.key) for cell in cells] == ["A.value", "A[GEO=1].value", "A[GEO=2].value"]


def test_what_does_not_apply_to_the_unit_stays_on_the_form_and_is_marked() -> None:
    exempt = (NotApplicable(indicator="A", dimension="GEO", codes=("2",)), NotApplicable(indicator="B"))
    marked = {str(cell.key) for cell in cells_of(a_catalogue(exempt), MONTH) if not cell.applicable}
    assert marked == {"A[GEO=2].value", "B[GEO=2,SEX=F].value", "B[GEO=2,SEX=M].value"}


def test_nobody_owes_a_delivery_without_an_obligation() -> None:
    assert cells_of(a_catalogue(), DeliveryId.of("U2", "F/1", "2024-06", "estimate")) == ()


def test_two_deliveries_share_the_rows_of_a_workbook_and_have_their_own_columns() -> None:
    snapshot = a_catalogue()
    layout = layout_of({delivery: cells_of(snapshot, delivery) for delivery in (MONTH, QUARTER)})
    assert [row.number for row in layout.rows] == list(range(FIRST_DATA_ROW, FIRST_DATA_ROW + 5))
    assert [(column.delivery, column.column) for column in layout.columns] == [
        (MONTH, "value"),
        (MONTH, "cumulative"),
        (QUARTER, "value"),
    ]
    addresses = [place.address for place in layout.places.values()]
    assert len(addresses) == len(set(addresses)) == 6 + 5
    first = cells_of(snapshot, QUARTER)[0].key
    assert layout.places[QUARTER, first].address == "F8"


def test_addresses_count_like_excel() -> None:
    assert [address_of(1, column) for column in (1, 26, 27, 52, 53, 702, 703)] == [
        "A1", "Z1", "AA1", "AZ1", "BA1", "ZZ1", "AAA1",
    ]  # fmt: skip
