"""Packages for tests: valid as they stand, one keyword spoils one thing."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from services.ingest.domain.deliveries import Delivery
from services.ingest.domain.incoming import Incoming, incoming_of
from services.ingest.domain.package import Deliveries
from shared.delivery_id import DeliveryId
from shared.events.agency import PackageV1
from tests.builders.catalogue_files import FORM, UNIT

MONTH = DeliveryId.of(UNIT, FORM, "2024-06", "estimate")
QUARTER = DeliveryId.of(UNIT, FORM, "2024-Q2", "estimate")
OPENED = datetime(2024, 5, 19, tzinfo=UTC)


def an_observation(indicator: str = "I1", value: Any = 12, **more: Any) -> dict[str, Any]:
    """One cell; further keywords are `column` and `dimensions`."""
    return {"indicator": indicator, "value": value, **more}


def a_report(period: str = "2024-06", status: str = "estimate", *observations: dict[str, Any]) -> dict[str, Any]:
    return {"period": period, "status": status, "observations": list(observations or (an_observation(),))}


def a_package(*reports: dict[str, Any], form: str = FORM, **more: Any) -> dict[str, Any]:
    """The body of a package as a dict; without reports one for the month."""
    return {"form": form, "document_number": "12/BC", "reports": list(reports or (a_report(),)), **more}


def incoming(body: dict[str, Any]) -> Incoming:
    return incoming_of(PackageV1.model_validate(body))


def open_deliveries(ids: Iterable[DeliveryId] = (MONTH, QUARTER)) -> Deliveries:
    due_at = datetime(2024, 6, 18, 16, 59, 59, tzinfo=UTC)
    return {each: Delivery(each, OPENED, due_at, 1) for each in ids}


def codes(findings: Sequence[Any]) -> list[str]:
    return [each.rule for each in findings]
