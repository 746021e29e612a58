"""Sends the accepted figures of earlier periods: CSV files → packages → the HTTP door, in order of periods."""

import asyncio
import csv
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from services.ingest.client import PAUSE_SECONDS, ApiError, Doors, TokenFile
from shared.delivery_id import DeliveryId
from shared.events.cells import VALUE_COLUMN
from shared.periods import Period

COLUMNS = (
    "unit_code",
    "form_code",
    "period",
    "status",
    "document_number",
    "indicator_code",
    "dimensions",
    "column",
    "value",
)
CONCURRENT_UNITS_MAX = 8
REPORTS_MAX = 12
ACCEPTED = {"accepted", "accepted_with_warnings"}


class HistoryError(Exception):
    """The files do not have the form that is described."""


@dataclass(frozen=True)
class HistoryPackage:
    """One package to be sent: its body, and the deliveries it is for."""

    unit: str
    body: Mapping[str, Any]
    deliveries: tuple[DeliveryId, ...]

    @property
    def encoded(self) -> bytes:
        """The body as it is sent."""
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode()

    @property
    def key(self) -> str:
        """The idempotency key: the same content is one package, however often it is sent; other content another."""
        return "history-" + sha256(self.unit.encode() + b"\0" + self.encoded).hexdigest()[:40]

    @property
    def name(self) -> str:
        """What a person reads."""
        return ", ".join(map(str, self.deliveries))

    @property
    def order(self) -> tuple[Period, str]:
        """Earlier periods first: rules look back to them."""
        return max(delivery.period for delivery in self.deliveries), self.name


def read_history(folder: Path) -> list[HistoryPackage]:
    """Return the packages of a folder's CSV files, in order. Raises HistoryError, saying file and line."""
    reports: dict[tuple[str, str, str, str], dict[str, list[dict[str, Any]]]] = {}
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if missing := set(COLUMNS) - set(reader.fieldnames or ()):
                raise HistoryError(f"{path}: thiếu cột / missing columns {', '.join(sorted(missing))}")
            for number, row in enumerate(reader, start=2):
                package = (row["unit_code"], row["form_code"], row["document_number"], row["status"])
                try:
                    observation = _observation(row)
                except ValueError:
                    raise HistoryError(
                        f"{path}:{number}: phân tổ phải viết GEO=568|SEX=F / dimensions are written GEO=568|SEX=F"
                    ) from None
                reports.setdefault(package, {}).setdefault(row["period"], []).append(observation)
    if not reports:
        raise HistoryError(f"{folder}: không có dòng số liệu nào / no CSV file with a row")
    try:
        packages = [
            _package(key, dict(some)) for key, periods in reports.items() for some in _portions(list(periods.items()))
        ]
    except ValueError as error:
        raise HistoryError(f"{folder}: dòng không đúng mẫu / a row is not as it must be: {error}") from None
    return sorted(packages, key=lambda package: package.order)


def _portions(periods: Sequence[tuple[str, Any]]) -> Sequence[Sequence[tuple[str, Any]]]:
    """Divide what has one document number, as far as a package may not hold it all."""
    return [periods[start : start + REPORTS_MAX] for start in range(0, len(periods), REPORTS_MAX)]


def _observation(row: Mapping[str, str]) -> dict[str, Any]:
    observation: dict[str, Any] = {"indicator": row["indicator_code"]}
    if row["dimensions"]:
        observation["dimensions"] = dict(pair.split("=", 1) for pair in row["dimensions"].split("|"))
    if row["column"] != VALUE_COLUMN:
        observation["column"] = row["column"]
    observation["value"] = row["value"] or None
    return observation


def _package(key: tuple[str, str, str, str], periods: Mapping[str, list[dict[str, Any]]]) -> HistoryPackage:
    unit, form, document_number, status = key
    body = {
        "form": form,
        "document_number": document_number or None,
        "reports": [
            {"period": period, "status": status, "observations": observations}
            for period, observations in periods.items()
        ],
    }
    return HistoryPackage(unit, body, tuple(DeliveryId.of(unit, form, period, status) for period in periods))


async def send_history(
    packages: Sequence[HistoryPackage], doors: Doors, tokens: TokenFile, seconds_max: float
) -> list[str]:
    """Send all and wait for their verdicts; return a line for each that was not accepted.

    A unit's packages go one after the other, since rules look back; several units are sent for at once.
    """
    by_unit: dict[str, list[HistoryPackage]] = {}
    for package in packages:
        by_unit.setdefault(package.unit, []).append(package)
    deadline = time.monotonic() + seconds_max
    places = asyncio.Semaphore(CONCURRENT_UNITS_MAX)

    async def send_unit(unit: str, its_packages: Sequence[HistoryPackage]) -> list[str]:
        token = tokens.of_unit(unit)
        if token is None:
            return [f"{unit}: không có mã truy cập / no token"]
        async with places:
            wanted = {delivery for package in its_packages for delivery in package.deliveries}
            missing = await _wait_until_open(doors, unit, token, wanted, deadline)
            failures = [f"{delivery}: chưa mở / not open" for delivery in sorted(missing)]
            sent = [
                (package, await _send(doors, package, token, deadline))
                for package in its_packages
                if missing.isdisjoint(package.deliveries)
            ]
            for package, status in sent:
                failures += await _failure(doors, package, status, token, deadline)
        return failures

    results = await asyncio.gather(*(send_unit(unit, its) for unit, its in sorted(by_unit.items())))
    return [failure for failures in results for failure in failures]


async def _wait_until_open(
    doors: Doors, unit: str, token: str, wanted: set[DeliveryId], deadline: float
) -> set[DeliveryId]:
    """Return the deliveries that are not open at the deadline; history opens soon after the catalogue's load."""
    while True:
        found = {DeliveryId.parse(each["delivery_id"]) for each in await doors.open_deliveries(unit, token)}
        missing = wanted - found
        if not missing or time.monotonic() > deadline:
            return missing
        await asyncio.sleep(PAUSE_SECONDS)


async def _send(doors: Doors, package: HistoryPackage, token: str, deadline: float) -> Mapping[str, Any] | str:
    try:
        return await doors.post(
            package.encoded, package.unit, token, key=package.key, seconds_max=deadline - time.monotonic()
        )
    except ApiError as error:
        return str(error)


async def _failure(
    doors: Doors, package: HistoryPackage, status: Mapping[str, Any] | str, token: str, deadline: float
) -> list[str]:
    """Wait for a package's verdict; return a line when it is not accepted."""
    if isinstance(status, str):
        return [f"{package.name}: {status}"]
    if status.get("state") == "received":
        status = await doors.wait_for_verdict(status["package_id"], token, max(0.0, deadline - time.monotonic()))
    verdict = status.get("verdict")
    if verdict in ACCEPTED:
        return []
    findings = [
        *status.get("findings", ()),
        *(found for submission in status.get("submissions", ()) for found in submission.get("findings", ())),
    ]
    first = "; ".join(f"{found['rule']}: {found['message']['vi']} / {found['message']['en']}" for found in findings[:3])
    return [f"{package.name}: {verdict or status.get('title_en') or 'chưa có kết quả / no verdict yet'}; {first}"]
