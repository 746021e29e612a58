"""The watermark's reckoning, against a model of what a door may still hold back."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.verdicts import merged
from services.ingest.domain.watermark import SAFETY_SECONDS, Asked, PartitionProgress, watermark_of
from shared.events.agency import ReportVerdict
from shared.events.findings import Verdict
from tests.ingest.domain.packages import MONTH

START = datetime(2024, 6, 18, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_the_slowest_source_decides_less_the_safety() -> None:
    assert watermark_of([at(5), at(3), at(9)]) == at(3 - SAFETY_SECONDS)


def test_there_is_no_watermark_without_a_source() -> None:
    assert watermark_of([]) is None


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=30))
def test_a_settled_instant_never_passes_a_record_that_is_not_in_the_database(steps: list[tuple[int, int]]) -> None:
    """Each step appends some records at a new instant, takes some into the database, and asks."""
    progress, appended, taken, settled = PartitionProgress(), list[datetime](), 0, None
    for second, (appends, takes) in enumerate(steps):
        appended += [at(second)] * appends
        taken = min(len(appended), taken + takes)
        asked = Asked(at(second + 0.5), 0, len(appended))
        settled = progress.advance(asked, taken) or settled
        outstanding = appended[taken:]
        assert settled is None or not outstanding or settled < min(outstanding) + timedelta(seconds=0.5)


@given(st.lists(st.integers(1, 3), min_size=3, max_size=30))
def test_under_a_steady_stream_it_still_moves(appends: list[int]) -> None:
    """The end is always ahead of the database, by one step: an earlier answer is settled each time."""
    progress, end, moves = PartitionProgress(), 0, 0
    for second, count in enumerate(appends):
        taken, end = end, end + count
        moves += progress.advance(Asked(at(second), 0, end), taken) is not None
    assert moves >= len(appends) - 1


def test_an_empty_partition_is_settled_at_once() -> None:
    assert PartitionProgress().advance(Asked(at(0), 0, 0), 0) == at(0)


def test_what_retention_deleted_unread_is_not_waited_for() -> None:
    assert PartitionProgress().advance(Asked(at(0), 40, 40), 0) == at(0)
    assert PartitionProgress().advance(Asked(at(0), 40, 41), 0) is None


def test_a_wiped_broker_does_not_stop_it_for_ever() -> None:
    progress = PartitionProgress()
    assert progress.advance(Asked(at(0), 0, 100), 50) is None
    assert progress.advance(Asked(at(1), 0, 2), 1) is None
    assert progress.advance(Asked(at(2), 0, 2), 2) == at(2)


verdicts = st.sampled_from([verdict for verdict in Verdict if verdict is not Verdict.REJECTED])


def reported(verdict: Verdict | None) -> ReportVerdict | None:
    return None if verdict is None else ReportVerdict(delivery_id=MONTH, version=1, judgement=1, verdict=verdict)


@given(st.lists(verdicts, min_size=1))
def test_a_package_is_as_good_as_its_worst_report(each: list[Verdict]) -> None:
    worst = merged([reported(verdict) for verdict in each])
    assert worst in each
    assert all(worst.rank >= verdict.rank for verdict in each)


@given(st.lists(st.one_of(st.none(), verdicts), min_size=1).filter(lambda each: None in each))
def test_there_is_no_answer_while_a_report_waits(each: list[Verdict | None]) -> None:
    assert merged([reported(verdict) for verdict in each]) is None


def test_a_package_without_reports_has_no_verdict() -> None:
    assert merged([]) is None
