"""Ingest whose HTTP doors are no source of the watermark: it knows of no request in flight. For a negative control."""

from dataclasses import dataclass

import uvicorn
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from services.ingest.app import build_app
from services.ingest.http_source import Ticket
from shared.clock import Clock, clock_from
from shared.settings import CommonSettings


@dataclass
class NullHttpSource:
    """Has no row, and lets everything commit."""

    clock: Clock
    live: bool = True

    def enter(self) -> Ticket:
        return Ticket(self.clock.machine_now(), "")

    async def confirm(self, session: AsyncSession, ticket: Ticket) -> None:
        return None

    def leave(self, ticket: Ticket) -> None:
        return None

    async def beat(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        return None

    async def stop(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        return None


if __name__ == "__main__":
    settings = CommonSettings()
    source = NullHttpSource(clock_from(settings.clock, simulated=settings.simulated))
    app = build_app(settings, http_source=source)
    uvicorn.run(app, host=settings.http_host, port=settings.http_port, log_config=None, access_log=False)
