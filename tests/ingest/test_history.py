"""History goes in through the HTTP door like everything else: in order, once, and with every failure told."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.ingest.cli import app as ingest_cli
from services.ingest.client import Doors, TokenFile
from services.ingest.history import COLUMNS, REPORTS_MAX, HistoryError, HistoryPackage, read_history, send_history
from shared.events.findings import Verdict
from tests.builders.catalogue_files import FORM, OTHER_UNIT, UNIT
from tests.ingest.world import World

TOKENS = TokenFile({UNIT: "unit"}, {"statistician": "statistician"})


def a_row(period: str = "2024-06", document: str = "1/BC", value: str = "5", **more: str) -> str:
    row = {
        "unit_code": UNIT, "form_code": FORM, "period": period, "status": "estimate", "document_number": document,
        "indicator_code": "I1", "dimensions": "", "column": "value", "value": value,
    } | more  # fmt: skip
    return ",".join(row[column] for column in COLUMNS)


def written(folder: Path, *rows: str, name: str = "2024.csv", columns: Iterable[str] = COLUMNS) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join([",".join(columns), *rows]) + "\n", "utf-8")
    return folder


def test_rows_of_one_document_are_one_package_and_earlier_periods_come_first(tmp_path: Path) -> None:
    written(tmp_path, a_row("2024-Q2", "2/BC"), a_row("2024-06", "2/BC"), name="b.csv")
    written(tmp_path, a_row("2024-03"), a_row("2024-03", dimensions="GEO=568|SEX=F", column="cumulative"), name="a.csv")
    first, second = read_history(tmp_path)
    assert first.body == {
        "form": FORM,
        "document_number": "1/BC",
        "reports": [
            {
                "period": "2024-03",
                "status": "estimate",
                "observations": [
                    {"indicator": "I1", "value": "5"},
                    {
                        "indicator": "I1",
                        "dimensions": {"GEO": "568", "SEX": "F"},
                        "column": "cumulative",
                        "value": "5",
                    },
                ],
            }
        ],
    }
    assert [str(delivery.period) for delivery in second.deliveries] == ["2024-Q2", "2024-06"]


def test_a_document_of_many_periods_is_divided(tmp_path: Path) -> None:
    rows = [a_row(f"{year}-{month:02}") for year in (2022, 2023) for month in range(1, 13)]
    packages = read_history(written(tmp_path, *rows, a_row("2024-01")))
    assert [len(package.deliveries) for package in packages] == [REPORTS_MAX, REPORTS_MAX, 1]


def test_the_key_is_the_content(tmp_path: Path) -> None:
    (one,) = read_history(written(tmp_path / "a", a_row()))
    (same,) = read_history(written(tmp_path / "b", a_row(), name="other.csv"))
    (other,) = read_history(written(tmp_path / "c", a_row(value="6")))
    (others,) = read_history(written(tmp_path / "d", a_row(unit_code=OTHER_UNIT)))
    assert one.key == same.key
    assert len({one.key, other.key, others.key}) == 3


@pytest.mark.parametrize(("rows", "columns"), [([], COLUMNS), ([a_row()], COLUMNS[1:]), ([a_row("2024-13")], COLUMNS)])
def test_files_that_are_no_history_are_refused_with_the_place(
    tmp_path: Path, rows: list[str], columns: Iterable[str]
) -> None:
    with pytest.raises(HistoryError, match=str(tmp_path)):
        read_history(written(tmp_path, *rows, columns=columns))


@asynccontextmanager
async def judging(world: World, *verdicts: Verdict) -> AsyncIterator[None]:
    """Judge whatever comes in, as validate does: the first by the first verdict, the last one for all others."""

    async def judge() -> None:
        seen: set[str] = set()
        while True:
            for each in await world.told("submission.received"):
                if each.id not in seen:
                    await world.judge(each.body, verdicts[min(len(seen), len(verdicts) - 1)])
                    seen.add(each.id)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(judge())
    yield
    task.cancel()
    await asyncio.wait([task])


async def sent(world: World, packages: list[HistoryPackage], seconds: float = 20) -> list[str]:
    async with world.client(None) as client:
        return await send_history(packages, Doors(client, "http://ingest"), TOKENS, seconds)


async def versions(world: World) -> list[tuple[str, int]]:
    received = [each.body for each in await world.told("submission.received")]
    return [(each["document_number"], each["version"]) for each in received]


async def test_history_is_sent_in_order_and_a_second_time_changes_nothing(world: World, tmp_path: Path) -> None:
    packages = read_history(written(tmp_path, a_row("2024-Q2", "2/BC"), a_row("2024-06", "1/BC")))
    async with judging(world, Verdict.ACCEPTED):
        assert await sent(world, packages) == []
        assert await sent(world, packages) == []
    assert await versions(world) == [("1/BC", 1), ("2/BC", 1)]


async def test_what_was_not_accepted_is_told(world: World, tmp_path: Path) -> None:
    packages = read_history(written(tmp_path, a_row(), a_row("2024-Q2", "2/BC"), a_row(document="3/BC", value="x")))
    async with judging(world, Verdict.RETURNED, Verdict.ACCEPTED):
        failures = await sent(world, packages)
    assert len(failures) == 2
    assert any("returned" in failure for failure in failures)
    assert any("door.not_a_number" in failure for failure in failures)


async def test_it_waits_for_doors_that_are_closed_and_deliveries_that_open(world: World, tmp_path: Path) -> None:
    later = read_history(written(tmp_path, a_row(), a_row("2024-06", "2/BC", unit_code=OTHER_UNIT)))
    snapshot, world.state.reader.snapshot = world.state.reader.snapshot, None

    async def open_up() -> None:
        await asyncio.sleep(0.5)
        world.state.reader.snapshot = snapshot
        await asyncio.sleep(0.5)
        await world.open(*(delivery for package in later for delivery in package.deliveries))

    async with judging(world, Verdict.ACCEPTED):
        opening = asyncio.create_task(open_up())
        assert await sent(world, later) == []
        await opening
    assert len(await versions(world)) == 2


async def test_what_never_opens_is_told(world: World, tmp_path: Path) -> None:
    packages = read_history(written(tmp_path, a_row("2030-01")))
    (failure,) = await sent(world, packages, seconds=0.5)
    assert "2030-01" in failure


def test_the_command_says_what_it_lacks(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({"units": {}, "roles": {}}), "utf-8")
    folder = written(tmp_path / "history", a_row())
    nowhere = ["--ingest-url", "http://127.0.0.1:9", "--tokens", str(tokens)]
    result = CliRunner().invoke(ingest_cli, ["history", str(folder), *nowhere, "--seconds-max", "0"])
    assert result.exit_code == 1
    assert UNIT in result.output
    result = CliRunner().invoke(ingest_cli, ["send", str(tokens), "--unit", UNIT, "--url", "http://127.0.0.1:9"])
    assert result.exit_code == 2
