from datetime import UTC, datetime

from shared.catalogue.builder import SnapshotBuilder
from shared.events.catalogue import CalendarV1, ReleaseV1, UnitV1, UnitVersion
from shared.text import Text

CALENDAR = CalendarV1(history_from="2023-06", live_from="2024-06")


def a_unit(name: str) -> UnitV1:
    return UnitV1(code="U1", versions=(UnitVersion(name=Text(vi=name, en=name), kind="department"),))


def a_marker(release: int) -> ReleaseV1:
    return ReleaseV1(release=release, published_at=datetime(2024, 6, 1, tzinfo=UTC), entity_count=2)


def test_nothing_changes_before_the_marker_and_everything_at_it() -> None:
    builder = SnapshotBuilder()
    assert builder.apply(CALENDAR) is None
    assert builder.apply(a_unit("old")) is None
    first = builder.apply(a_marker(1))
    assert first is not None
    assert builder.apply(a_unit("new")) is None
    assert builder.snapshot is first
    assert first.units["U1"].versions[0].name.vi == "old"
    second = builder.apply(a_marker(2))
    assert second is not None
    assert second.units["U1"].versions[0].name.vi == "new"
    assert first.units["U1"].versions[0].name.vi == "old", "a snapshot is immutable"


def test_an_older_release_never_overwrites_a_newer_one() -> None:
    builder = SnapshotBuilder()
    for data in (CALENDAR, a_unit("new"), a_marker(3)):
        builder.apply(data)
    assert builder.apply(a_marker(2)) is None
    assert builder.snapshot is not None
    assert builder.snapshot.release == 3
