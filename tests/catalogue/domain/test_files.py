from datetime import date

import pytest

from services.catalogue.domain.entities import Kind
from services.catalogue.domain.files import CatalogueFilesError, read_catalogue
from services.catalogue.domain.sheets import FileFinding
from shared.catalogue.snapshot import obligation_id
from shared.delivery_id import Status
from shared.events.catalogue import CodeListV1, FormV1, LineDimension, ObligationV1, UnitV1
from shared.periods import Frequency
from tests.builders.catalogue_files import a_catalogue, a_file, catalogue_files


def faults(calendar: dict[str, object] | None = None, **files: str) -> tuple[FileFinding, ...]:
    with pytest.raises(CatalogueFilesError) as caught:
        a_catalogue(calendar, **files)
    return caught.value.findings


def test_a_catalogue_is_read_whole() -> None:
    catalogue = a_catalogue()
    kinds = [kind for kind, _ in catalogue.entities]
    assert {kind: kinds.count(kind) for kind in Kind} == {
        Kind.UNIT: 3,
        Kind.CODE_LIST: 2,
        Kind.INDICATOR: 2,
        Kind.FORM: 1,
        Kind.RULE: 1,
        Kind.OBLIGATION: 4,
        Kind.CALENDAR: 1,
    }
    assert set(catalogue.contacts) == {"SO-A-1", "SO-A-2"}


def test_rows_of_one_duty_are_one_obligation_with_indicators_in_file_order() -> None:
    catalogue = a_catalogue()
    key = obligation_id("SO-A", "001.T/BCS-A", Frequency.MONTH, Status.ESTIMATE)
    obligation = catalogue.entities[Kind.OBLIGATION, key]
    assert isinstance(obligation, ObligationV1)
    (version,) = obligation.versions
    assert version.indicators == ("I1", "I2")
    assert [(each.indicator, each.dimension, each.codes) for each in version.not_applicable] == [
        ("I1", "GEO", ("569",))
    ]
    assert version.open_days_before == 30


def test_lines_name_dimensions_and_some_of_their_codes() -> None:
    lines = a_file("form_lines") + "001.T/BCS-A,I1,SEX|GEO=568;569,value,2,\n"
    form = a_catalogue(form_lines=lines).entities[Kind.FORM, "001.T/BCS-A"]
    assert isinstance(form, FormV1)
    last = form.versions[0].lines[-1]
    assert last.dimensions == (LineDimension(dimension="SEX"), LineDimension(dimension="GEO", codes=("568", "569")))
    assert last.decimals == 2
    assert last.required


def test_several_rows_of_one_code_are_its_history() -> None:
    units = (
        "code,name_vi,kind,valid_from,valid_until\n"
        "CTK,Mới,office,2025-07-01,\nCTK,Cũ,office,,2025-06-30\nSO-A,A,x,,\nSO-B,B,x,,\n"
    )
    unit = a_catalogue(units=units).entities[Kind.UNIT, "CTK"]
    assert isinstance(unit, UnitV1)
    assert [version.name.vi for version in unit.versions] == ["Cũ", "Mới"]


def test_a_code_that_ends_makes_another_version_of_its_list() -> None:
    codes = (
        "dimension,code,name_vi,valid_from,valid_until\n"
        "GEO,568,A,,\nGEO,569,B,,2025-06-30\nGEO,600,C,2025-07-01,\nSEX,M,Nam,,\n"
    )
    entity = a_catalogue(codes=codes).entities[Kind.CODE_LIST, "GEO"]
    assert isinstance(entity, CodeListV1)
    assert [
        (version.valid_from, version.valid_until, [code.code for code in version.codes]) for version in entity.versions
    ] == [(None, date(2025, 6, 30), ["568", "569"]), (date(2025, 7, 1), None, ["568", "600"])]


def test_codes_are_compared_after_unicode_normalisation() -> None:
    composed, decomposed = "001.T/BCS-Đ", "001.T/BCS-Đ"
    files = {name: text.replace("001.T/BCS-A", composed) for name, text in catalogue_files().items()}
    files["obligations.csv"] = files["obligations.csv"].replace(composed, decomposed)
    assert (Kind.FORM, composed) in read_catalogue(files).entities


@pytest.mark.parametrize(
    ("name", "old", "new", "line", "column"),
    [
        ("units", "SO-A,Sở A", "so a,Sở A", 3, "code"),
        ("units", "SO-B,Sở B,Department B,department,CTK", "SO-B,Sở B,Department B,department,NONE", 4, "parent"),
        ("units", "SO-B,Sở B", "SO-B,", 4, "name_vi"),
        ("units", ",true", ",maybe", 3, "kafka_door"),
        ("units", "SO-B,Sở B", "SO-A,Sở B", 4, "valid_from"),
        ("codes", "SEX,F", "SEX,M", 5, "valid_from"),
        ("codes", "SEX,F", "AGE,F", 5, "dimension"),
        ("codes", "SEX,F", "SEX,_T", 5, "code"),
        ("indicators", "GEO,flow", "AGE,flow", 3, "dimensions"),
        ("indicators", "GEO,flow", "GEO,sum", 3, "accumulation"),
        ("forms", "inward,CTK", "inward,NONE", 2, "receiver"),
        ("forms", "inward,CTK", "sideways,CTK", 2, "direction"),
        ("form_columns", "Cumulative,M", "Cumulative,W", 3, "frequencies"),
        ("form_lines", "I2,GEO=568", "I2,GEO=999", 4, "dimensions"),
        ("form_lines", "I2,GEO=568", "I2,SEX", 4, "dimensions"),
        ("form_lines", "I2,GEO=568", "I9,", 4, "indicator_code"),
        ("form_lines", "value,1,false", "plan,1,false", 4, "columns"),
        ("form_lines", "value,1,false", "value,9,false", 4, "decimals"),
        ("obligations", "I1,SO-B", "I1,SO-X", 6, "unit_code"),
        ("obligations", "001.T/BCS-A,I1,SO-B", "002/X,I1,SO-B", 6, "form_code"),
        ("obligations", "I1,SO-B,M,P+0:D18", "I1,SO-B,M,P+0:D40", 6, "due_rule"),
        ("obligations", "I1,SO-B,M", "I1,SO-B,W", 6, "frequency"),
        ("obligations", "I2,SO-A,M,P+0:D18", "I2,SO-A,M,P+0:D17", 3, "due_rule"),
        ("obligations", "I2,SO-A,M", "I1,SO-A,M", 3, "indicator_code"),
        ("not_applicable", "GEO,569", "GEO,1", 2, "codes"),
        ("not_applicable", "GEO,569", "GEO,", 2, "codes"),
        ("rules", "error", "fatal", 2, "severity"),
        ("rules", "required(*),0", "required(*),-1", 2, "tolerance"),
        ("contacts", "b@so-a.example", "b at so-a", 3, "email"),
        ("contacts", "SO-A-2,SO-A", "SO-A-1,SO-A", 3, "id"),
    ],
)
def test_a_fault_says_where_it_is_and_how_to_mend_it(name: str, old: str, new: str, line: int, column: str) -> None:
    text = a_file(name)
    assert old in text
    found = faults(None, **{name: text.replace(old, new, 1)})
    first = next(each for each in found if each.file == f"{name}.csv")
    assert (first.line, first.column) == (line, column)
    for words in (first.message, first.mend):
        assert words.vi
        assert words.en


def test_all_faults_are_told_at_once() -> None:
    found = faults(
        units=a_file("units").replace(",true", ",maybe"), contacts=a_file("contacts").replace("b@so-a.example", "b")
    )
    assert {each.file for each in found} == {"units.csv", "contacts.csv"}


def test_a_missing_file_and_a_missing_column_are_told() -> None:
    files = catalogue_files()
    del files["codes.csv"]
    with pytest.raises(CatalogueFilesError) as caught:
        read_catalogue(files)
    assert [each.file for each in caught.value.findings] == ["codes.csv"]
    assert "kind" in faults(units="code,name_vi\nX,Y\n")[0].message.en


def test_a_comma_too_many_and_an_open_quote_are_told_with_their_line() -> None:
    assert faults(rules=a_file("rules").replace("Fill it in.", "Fill it in, please."))[0].line == 2
    assert "CSV" in faults(contacts=a_file("contacts") + '"X')[0].message.en


def test_a_duty_by_the_administrative_month_needs_a_working_day_after_its_cut_off() -> None:
    head = "form_code,indicator_code,unit_code,frequency,due_rule,status,period_basis\n"
    row = "001.T/BCS-A,I1,SO-A,M,P+0:{day},estimate,admin_15_14\n"
    (fault,) = faults(obligations=head + row.format(day="D14"))
    assert fault.column == "due_rule"
    assert "09/2019" in fault.message.vi
    assert a_catalogue(obligations=head + row.format(day="D20"))


@pytest.mark.parametrize(
    ("calendar", "place"),
    [
        ({"live_from": "June"}, "live_from"),
        ({"live_until": "2024-05"}, "live_until"),
        ({"holidays_country": "XX"}, "holidays_country"),
        ({"timezone": "Asia/Nowhere"}, "timezone"),
        ({"overrides": [{"day": "2024-06-03", "working": False, "note": ""}] * 2}, "overrides"),
    ],
)
def test_a_calendar_that_cannot_be_used_is_explained(calendar: dict[str, object], place: str) -> None:
    assert any(place in (each.column or "") for each in faults(calendar))
