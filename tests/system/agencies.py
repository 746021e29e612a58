"""Many agencies that send correct reports through both doors, and send again when a door was closed in their face."""

import asyncio
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import cycle, islice

import httpx
from confluent_kafka import Producer

from demo.delivery import Delivery
from demo.dispatch import PackageBody, ReportBody
from demo.sample import Report, Sample
from demo.stack import Addresses
from demo.wire import cloud_event, encoded, package_json

TRY_AGAIN = {502, 503, 504}
RETRY_SECONDS = 0.2
BROKER_SECONDS_MAX = 150


@dataclass(frozen=True)
class Package:
    """A package to send; `key` is its id at the door, the same at each try."""

    unit: str
    body: PackageBody
    key: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def deliveries(self) -> list[Delivery]:
        return [report.delivery for report in self.body.reports]


def packages(sample: Sample, count: int, *, open_at: datetime) -> list[Package]:
    """Return so many correct packages: each one that is open at an instant, in turn, round after round."""
    grouped: dict[tuple[str, str, str], list[Report]] = defaultdict(list)
    opens_at = {due.delivery: due.opens_at for due in sample.timetable.dues}
    for report in sample.reports.values():
        if opens_at[str(report.delivery)] > open_at:
            continue
        grouped[report.delivery.unit, report.delivery.form, report.document_number].append(report)
    return list(islice(_rounds(list(grouped.values())), count))


def _rounds(groups: Sequence[list[Report]]) -> Iterator[Package]:
    for number, reports in enumerate(cycle(groups)):
        first = reports[0]
        body = PackageBody(
            form=first.delivery.form,
            document_number=f"{first.document_number}#{number // len(groups) + 1}",
            reports=tuple(ReportBody(report.delivery, report.figures) for report in reports),
        )
        yield Package(first.delivery.unit, body)


@dataclass
class Agencies:
    """All agencies. `acknowledged` counts the versions that a door has taken, or will take, of each delivery."""

    addresses: Addresses
    kafka_units: frozenset[str]
    client: httpx.AsyncClient
    acknowledged: Counter[str] = field(default_factory=Counter)
    by_kafka: int = 0
    by_http: int = 0
    turned_away: Counter[int] = field(default_factory=Counter)
    """Answers that asked to come again, by status; 0: there was no answer."""

    def __post_init__(self) -> None:
        self._producer = Producer({"bootstrap.servers": self.addresses.bootstrap_servers, "acks": "all"})

    async def send(self, package: Package) -> None:
        """Send one package until it is acknowledged; a Kafka package is, as soon as the broker has it."""
        if package.unit in self.kafka_units:
            headers, value = cloud_event(package.body, f"urn:test:{package.unit.lower()}", package.key)
            self._producer.produce(f"agency.{package.unit}.submissions", value=value, headers=list(headers))
            assert await asyncio.to_thread(self._producer.flush, BROKER_SECONDS_MAX) == 0, "the broker did not take it"
            self.by_kafka += 1
        else:
            await self._post(package)
            self.by_http += 1
        self.acknowledged.update(str(delivery) for delivery in package.deliveries)

    async def _post(self, package: Package) -> None:
        while True:
            try:
                response = await self.client.post(
                    f"{self.addresses.services['ingest']}/v1/packages",
                    content=encoded(package_json(package.body, numbers=False)),
                    headers={
                        "Content-Type": "application/json",
                        "Authorization": f"Bearer {self.addresses.unit_tokens[package.unit]}",
                        "Idempotency-Key": package.key,
                    },
                )
            except httpx.TransportError:
                self.turned_away[0] += 1
                await asyncio.sleep(RETRY_SECONDS)  # the service is down; the same key makes a second try harmless
                continue
            if response.status_code not in TRY_AGAIN:
                assert response.status_code == 202, response.text
                return
            self.turned_away[response.status_code] += 1
            await asyncio.sleep(RETRY_SECONDS)
