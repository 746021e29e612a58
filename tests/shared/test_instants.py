from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.instants import EXAMPLE, InstantError, typed_instant

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=zones))  # noqa: DTZ001 -- zones are drawn
def test_an_instant_is_read_as_it_was_written(instant: datetime) -> None:
    assert typed_instant("--to", instant.isoformat()) == instant


@given(st.text())
def test_whatever_is_typed_gives_an_aware_instant_or_says_how_to_write_one(typed: str) -> None:
    try:
        read: datetime | InstantError = typed_instant("--to", typed)
    except InstantError as error:
        read = error
    if isinstance(read, InstantError):
        assert str(read) == f"{read.text.vi}\n{read.text.en}"
    else:
        assert read.tzinfo is UTC


@pytest.mark.parametrize(
    ("typed", "vi", "en"),
    [
        ("tomorrow", f"«tomorrow» không phải thời điểm ISO 8601, ví dụ {EXAMPLE}", "is no instant in ISO 8601"),
        ("18/06/2024", "«18/06/2024» không phải", "is no instant"),
        ("0001-01-01T00:00:00+07:00", "không phải", "is no instant"),
        ("2024-06-18T10:00:00", "thêm múi giờ, ví dụ +07:00", "add the offset from UTC"),
    ],
)
def test_what_cannot_be_read_is_told_in_both_languages(typed: str, vi: str, en: str) -> None:
    with pytest.raises(InstantError) as caught:
        typed_instant("--to", typed)
    assert vi in caught.value.text.vi
    assert en in caught.value.text.en
