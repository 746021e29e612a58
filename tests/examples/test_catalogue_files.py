"""The hand-written files fit together: codes exist, names are there in both languages, nobody is left out."""

from collections import Counter

import pytest

from shared.events.catalogue import CalendarV1
from tests.examples.sample import FOLDER, code_lists, lines_of, listed, obligations, rows


def test_all_62_dimensions_of_the_indicators_have_a_code_list() -> None:
    used = {name for row in rows("indicators.csv") for name in listed(row["dimensions"])}
    assert len(used) == 62
    assert used == {row["id"] for row in rows("dimensions.csv")} == set(code_lists())


def test_codes_are_unique_in_their_list_and_parents_stand_in_it() -> None:
    for name, codes in code_lists().items():
        assert len(codes) == len(set(codes)), name
        assert "_T" not in codes
        parents = {row["parent"] for row in rows("codes.csv") if row["dimension"] == name and row["parent"]}
        assert parents <= set(codes), name


def test_districts_are_568_to_576() -> None:
    assert code_lists()["GEO"] == tuple(str(code) for code in range(568, 577))


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("units.csv", ("name_vi", "name_en")),
        ("dimensions.csv", ("name_vi", "name_en")),
        ("codes.csv", ("name_vi", "name_en")),
        ("indicators.csv", ("name_vi", "name_en")),
        ("forms.csv", ("title_vi", "title_en")),
        ("form_columns.csv", ("name_vi", "name_en")),
    ],
)
def test_everything_has_a_name_in_vietnamese_and_english(name: str, columns: tuple[str, ...]) -> None:
    assert all(row[column].strip() == row[column] != "" for row in rows(name) for column in columns)


def test_the_77_forms_carry_every_indicator_that_somebody_owes_on_them() -> None:
    assert len(rows("forms.csv")) == 77
    for one in obligations():
        assert one.indicators <= {line.indicator for line in lines_of(one.form)}, one.form


def test_lines_break_down_by_dimensions_of_their_indicator_and_known_codes() -> None:
    dimensions = {row["code"]: listed(row["dimensions"]) for row in rows("indicators.csv")}
    for form in {row["code"] for row in rows("forms.csv")}:
        for line in lines_of(form):
            for name, codes in line.dimensions:
                assert name in dimensions[line.indicator], (form, line)
                assert set(codes) <= set(code_lists()[name]), (form, line)


def test_a_cumulative_column_stands_for_flows_of_monthly_forms_only() -> None:
    flows = {row["code"] for row in rows("indicators.csv") if row["accumulation"] == "flow"}
    monthly = {one.form for one in obligations() if one.frequency == "M"}
    for row in rows("form_lines.csv"):
        cumulative = "cumulative" in listed(row["columns"])
        assert cumulative == (row["indicator_code"] in flows and row["form_code"] in monthly), row


def test_columns_of_lines_are_columns_of_their_form() -> None:
    columns = {(row["form_code"], row["column"]) for row in rows("form_columns.csv")}
    used = {(row["form_code"], column) for row in rows("form_lines.csv") for column in listed(row["columns"])}
    assert used == columns


def test_forms_of_the_statistics_office_run_outward_and_all_others_inward() -> None:
    for row in rows("forms.csv"):
        outward = row["code"].endswith("/CTK")
        assert (row["direction"], row["receiver"]) == (("outward", "UBND") if outward else ("inward", "CTK"))


def test_exemptions_name_obligations_and_codes_that_exist() -> None:
    owed = {(one.unit, indicator) for one in obligations() for indicator in one.indicators}
    for row in rows("not_applicable.csv"):
        assert (row["unit_code"], row["indicator_code"]) in owed, row
        assert bool(row["dimension"]) == bool(row["codes"])
        assert set(listed(row["codes"])) <= set(code_lists().get(row["dimension"], ()))


def test_the_kafka_door_is_open_for_skhdt_and_at_least_ten_others_of_several_kinds() -> None:
    doors = [row for row in rows("units.csv") if row["kafka_door"] == "true"]
    assert {row["kafka_door"] for row in rows("units.csv")} == {"true", "false"}
    assert len(doors) >= 11
    assert "SKHDT" in {row["code"] for row in doors}
    assert len({row["kind"] for row in doors}) >= 6


def test_each_of_the_53_reporting_units_has_one_responsible_contact_at_an_example_address() -> None:
    contacts = rows("contacts.csv")
    units = {one.unit for one in obligations()}
    assert len(units) == 53
    responsible = Counter(row["unit_code"] for row in contacts if row["role"] == "responsible")
    assert responsible == Counter(units)
    assert len([row for row in contacts if row["role"] == "delegate"]) >= 12
    for column in ("id", "email", "name"):
        assert len({row[column] for row in contacts}) == len(contacts), column
    assert all(row["email"].endswith("@khanhhoa.example") for row in contacts)


def test_a_delegates_forms_are_forms_of_the_unit() -> None:
    owed = {(one.unit, one.form) for one in obligations()}
    for row in rows("contacts.csv"):
        assert {(row["unit_code"], form) for form in listed(row["forms"])} <= owed


def test_the_calendar_is_live_in_june_2024_alone_and_reaches_back_a_year() -> None:
    calendar = CalendarV1.model_validate_json((FOLDER / "calendar.json").read_bytes())
    assert (calendar.history_from, calendar.live_from, calendar.live_until) == ("2023-06", "2024-06", "2024-06")
    assert [(step.days_before, step.at.isoformat()) for step in calendar.reminders] == [(2, "08:00:00")]


def test_swapped_days_make_saturdays_work_and_weekdays_rest() -> None:
    calendar = CalendarV1.model_validate_json((FOLDER / "calendar.json").read_bytes())
    assert len(calendar.overrides) == 8
    for override in calendar.overrides:
        assert override.working == (override.day.weekday() == 5), override
        assert override.note


def test_every_file_is_listed_in_the_readme() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    files = {path.relative_to(FOLDER) for path in FOLDER.rglob("*") if path.suffix in (".csv", ".json", ".py")}
    assert not {path.as_posix() for path in files if f"`{path.as_posix()}`" not in readme}
