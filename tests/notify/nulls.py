"""Notify without one of its mechanisms. Tests wire these in and must see wrong mails."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from services.notify.domain.delivery import Delivery
from services.notify.domain.recheck import Untrue
from services.notify.domain.steps import Step
from services.notify.storage.tables import bus
from shared.access import AccessTable, Identity
from shared.bus.partitions import PARTITION_COUNT
from shared.bus.watermark import PostgresWatermarks
from shared.clock import Clock


def null_recheck(step: Step, delivery: Delivery, now: datetime) -> Untrue | None:
    """Look at nothing before sending."""
    return None


class NullAccess(AccessTable):
    """Believe whatever a request says, even nothing."""

    def identify(self, authorization: str | None) -> Identity:
        return Identity("anybody", frozenset({"statistician"}))


class NullWatermarks(PostgresWatermarks):
    """Takes business time for the watermark: whatever was received must have been published."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(bus.watermarks, "notify")
        self._clock = clock

    async def read_all(self, session: AsyncSession) -> dict[int, datetime]:
        return dict.fromkeys(range(PARTITION_COUNT), self._clock.now())
