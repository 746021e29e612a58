"""The accepted figures that a run of judgements sees, and those that it adds."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Self

from sqlalchemy.ext.asyncio import AsyncSession

from services.validate.domain.figures import AcceptedFigures, Numbers, References, Series
from services.validate.domain.judge import numbers_of
from services.validate.domain.rules.compile import RuleBook
from services.validate.storage.figures import load_figures, put_figures
from shared.bus.work import Work
from shared.delivery_id import DeliveryId
from shared.events.base import Event
from shared.events.submissions import SubmissionReceivedV1
from shared.events.validation_results import FiguresAcceptedV1, ValidationResult


@dataclass
class AcceptedNow:
    """Figures by unit, form, period and status; `versions` says which version of a delivery they are of."""

    figures: AcceptedFigures = field(default_factory=AcceptedFigures)
    versions: dict[DeliveryId, int] = field(default_factory=dict)
    _added: list[tuple[FiguresAcceptedV1, Numbers]] = field(default_factory=list)

    @classmethod
    async def load(cls, session: AsyncSession, book: RuleBook | None, deliveries: Collection[DeliveryId]) -> Self:
        """Load the figures of these deliveries and, with a rule book, those that their rules look back to."""
        series: set[Series] = set()
        for delivery in set(deliveries):
            series.add((delivery.unit, delivery.form, delivery.period))
            form = book.form_for(delivery) if book is not None else None
            if form is not None:
                series |= {(delivery.unit, delivery.form, period) for period in form.periods(delivery.period)}
        known = cls()
        for stored in await load_figures(session, series):
            known.figures.accept(stored.delivery, stored.numbers)
            known.versions[stored.delivery] = stored.version
        return known

    def references(self, delivery: DeliveryId) -> References:
        """Return the figures that a delivery's rules look at."""
        return self.figures.of(delivery.unit, delivery.form)

    def take(
        self, submission: SubmissionReceivedV1, result: ValidationResult, cause: Event[Any], work: Work[Any]
    ) -> None:
        """Take an accepted version in and publish its figures, unless a newer version's are there already."""
        delivery = submission.delivery_id
        if self.versions.get(delivery, 0) > submission.version:
            return
        numbers = numbers_of(submission.cells)
        self.figures.accept(delivery, numbers)
        self.versions[delivery] = submission.version
        event = FiguresAcceptedV1(
            delivery_id=delivery,
            version=submission.version,
            judgement=result.judgement,
            release=result.release,
            received_at=submission.received_at,
            cells=submission.cells,
        )
        work.publish(event, unit=delivery.unit, subject=str(delivery), cause=cause)
        self._added.append((event, numbers))

    async def store(self, work: Work[Any]) -> None:
        """Write what was added."""
        if self._added:
            await put_figures(work.session, self._added, work.now)
