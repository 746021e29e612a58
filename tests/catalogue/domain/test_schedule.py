import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.catalogue.domain.files import read_catalogue
from services.catalogue.domain.schedule import Planned, Schedule
from shared.catalogue.snapshot import Snapshot
from tests.builders.catalogue_files import a_catalogue, a_snapshot

SAMPLE = Path(__file__).parents[3] / "examples" / "khanh-hoa"
NOW = datetime(2024, 6, 10, 1, tzinfo=UTC)


def planned(snapshot: Snapshot, now: datetime = NOW, days: int = 60) -> dict[str, Planned]:
    schedule = Schedule.of(snapshot.calendar)
    found = schedule.deliveries(snapshot.obligations.values(), now, now + timedelta(days=days))
    return {str(each.id): each for each in found}


def test_a_deadline_is_the_end_of_its_day_in_the_calendars_zone() -> None:
    delivery = planned(a_snapshot())["SO-A/001.T%2FBCS-A/2024-06/estimate"]
    assert delivery.due_at == datetime(2024, 6, 18, 16, 59, 59, tzinfo=UTC)
    assert delivery.opens_at == datetime(2024, 5, 18, 17, 0, tzinfo=UTC)


def test_a_quarter_and_its_last_month_are_due_apart_and_each_status_has_its_own_date() -> None:
    found = planned(a_snapshot())
    quarter, month, later = (
        found[f"SO-A/001.T%2FBCS-A/{name}"].due_at
        for name in ("2024-Q2/estimate", "2024-06/estimate", "2024-06/preliminary")
    )
    assert quarter is not None
    assert month is not None
    assert later is not None
    assert (quarter.day, month.day, later.month) == (12, 18, 7)


def test_history_before_the_live_window_is_open_at_once_and_never_due() -> None:
    found = planned(a_snapshot())
    history = found["SO-A/001.T%2FBCS-A/2024-05/preliminary"]  # its own opening would be 18 May
    assert history.due_at is None
    assert history.opens_at <= NOW
    assert found["SO-A/001.T%2FBCS-A/2024-03/estimate"].due_at is None
    assert "SO-A/001.T%2FBCS-A/2024-02/estimate" not in found, "before history_from"


def test_history_after_the_live_window_opens_when_its_time_has_come() -> None:
    july = "SO-A/001.T%2FBCS-A/2024-07/estimate"
    found = planned(a_snapshot())[july]
    assert found.due_at is None
    assert found.opens_at == datetime(2024, 6, 17, 17, 0, tzinfo=UTC)  # 30 days before 18 July
    assert july not in planned(a_snapshot(), days=7)


def test_without_an_end_of_the_live_window_later_periods_are_due() -> None:
    found = planned(a_snapshot(a_catalogue({"live_until": None})))
    assert found["SO-A/001.T%2FBCS-A/2024-07/estimate"].due_at is not None


def test_an_obligation_gives_no_delivery_outside_its_validity() -> None:
    obligations = (
        "form_code,indicator_code,unit_code,frequency,due_rule,status,valid_from,valid_until\n"
        "001.T/BCS-A,I1,SO-A,M,P+0:D18,estimate,,2024-04-30\n"
        "001.T/BCS-A,I1,SO-A,M,P+0:D20,estimate,2024-06-01,\n"
    )
    found = planned(a_snapshot(a_catalogue(obligations=obligations)))
    rules = {name.split("/")[2]: each.due_rule for name, each in found.items()}
    assert rules["2024-04"] == "P+0:D18"
    assert rules["2024-06"] == "P+0:D20"
    assert "2024-05" not in rules


def test_a_year_opens_by_its_own_date_long_before_or_after_its_end() -> None:
    obligations = (
        "form_code,indicator_code,unit_code,frequency,due_rule,status,open_days_before\n"
        "001.T/BCS-A,I1,SO-A,A,Y+0:01-31,estimate,10\n"
        "001.T/BCS-A,I1,SO-A,A,Y+1:03-31,final,10\n"
    )
    snapshot = a_snapshot(
        a_catalogue({"live_from": "2024-01", "live_until": None, "history_from": "2024-01"}, obligations=obligations)
    )
    at_new_year = planned(snapshot, now=datetime(2024, 1, 5, tzinfo=UTC), days=20)
    assert [name.split("/", 2)[2] for name in at_new_year] == ["2024/estimate"]
    a_year_later = planned(snapshot, now=datetime(2025, 3, 22, tzinfo=UTC), days=1)
    assert "SO-A/001.T%2FBCS-A/2024/final" in a_year_later


@pytest.fixture(scope="module")
def sample() -> Snapshot:
    files = {path.name: path.read_text("utf-8") for path in SAMPLE.iterdir() if path.suffix in (".csv", ".json")}
    return a_snapshot(read_catalogue(files))


def test_the_sample_gives_exactly_the_deadlines_worked_out_by_hand(sample: Snapshot) -> None:
    with (SAMPLE / "expected-deadlines.csv").open(encoding="utf-8") as file:
        expected = {
            (row["unit_code"], row["form_code"], row["period"], row["status"]): row["due_on"]
            for row in csv.DictReader(file)
        }
    zone = Schedule.of(sample.calendar).zone
    found = {
        (each.id.unit, each.id.form, str(each.id.period), each.id.status.value): each.due_at.astimezone(zone)
        for each in planned(sample).values()
        if each.due_at is not None
    }
    assert {key: at.date().isoformat() for key, at in found.items()} == expected
    assert len(expected) == 105
    assert {at.time().isoformat() for at in found.values()} == {"23:59:59"}
