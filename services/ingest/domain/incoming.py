"""A package as a door read it, before it is decided: the same shape for JSON and for workbooks."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.ingest.domain.value import Content, ValueProblem, content_of_excel, content_of_json
from shared.delivery_id import Status, normalise_code
from shared.events.agency import Observation, PackageV1
from shared.events.cells import CellKey, Place
from shared.events.submissions import Explanation
from shared.periods import Period


@dataclass(frozen=True, slots=True)
class Where:
    """Where something stands in what was sent: a path in the body, or a place in a workbook."""

    document: str | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class JsonValue:
    """A value as JSON says it."""

    raw: Decimal | str | None

    def content(self, decimals: int) -> Content | ValueProblem:
        """Return what it means in a cell with so many decimals."""
        return content_of_json(self.raw, decimals)


@dataclass(frozen=True, slots=True)
class ExcelValue:
    """A value as a workbook holds it: float, str, bool, date or None; `fault` when there is none to be read."""

    raw: object
    fault: ValueProblem | None = None

    def content(self, decimals: int) -> Content | ValueProblem:
        """Return what it means in a cell with so many decimals."""
        return self.fault or content_of_excel(self.raw, decimals)


@dataclass(frozen=True, slots=True)
class ObservedCell:
    """One cell as the sender named and filled it; codes in NFC, totals left out."""

    key: CellKey
    value: JsonValue | ExcelValue
    where: Where


@dataclass(frozen=True, slots=True)
class IncomingReport:
    """One report of a package. `where` names it in findings."""

    period: Period
    status: Status
    cells: Sequence[ObservedCell]
    explanations: tuple[Explanation, ...]
    where: Where


@dataclass(frozen=True, slots=True)
class Incoming:
    """What arrived at once. The unit is not in it: it comes from the channel."""

    form: str
    document_number: str | None
    on_behalf_of: str | None
    reports: tuple[IncomingReport, ...]
    where: Where = Where(document="form")


def incoming_of(package: PackageV1) -> Incoming:
    """Return a JSON package in the doors' common shape; paths count from 0, as JSON does."""
    return Incoming(
        form=normalise_code(package.form),
        document_number=package.document_number,
        on_behalf_of=package.on_behalf_of,
        reports=tuple(
            IncomingReport(
                period=report.period,
                status=report.status,
                cells=[
                    ObservedCell(
                        key=key_of(observation),
                        value=JsonValue(observation.value),
                        where=Where(document=f"reports[{number}].observations[{position}]"),
                    )
                    for position, observation in enumerate(report.observations)
                ],
                explanations=report.explanations,
                where=Where(document=f"reports[{number}]"),
            )
            for number, report in enumerate(package.reports)
        ),
    )


def key_of(observation: Observation) -> CellKey:
    """Return the cell that an observation names: codes in NFC, a dimension at its total dropped."""
    return CellKey.model_validate(
        {
            "indicator": normalise_code(observation.indicator),
            "dimensions": {normalise_code(name): normalise_code(code) for name, code in observation.dimensions.items()},
            "column": normalise_code(observation.column),
        }
    )
