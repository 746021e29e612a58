"""Clients of the broker, started and closed so that no connection is lost."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

from aiokafka.admin import AIOKafkaAdminClient

REQUEST_TIMEOUT_MS = 10_000
START_GRACE_SECONDS = 2.0
"""How long a start may go on that nobody waits for any more."""

ClientOptions = Mapping[str, Any]
"""Further arguments of aiokafka clients: security protocol, SASL, certificates."""


class Startable(Protocol):
    """An aiokafka client, or a FastStream broker."""

    async def start(self) -> None:
        """Connect; raises KafkaError."""


async def start_client(client: Startable) -> None:
    """Start a client; when cancelled, let it come up first, so that closing it closes all.

    aiokafka forgets the connection of a start that is cancelled half-way, open as it is.
    """
    starting = asyncio.ensure_future(client.start())
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        done, late = await asyncio.wait({starting}, timeout=START_GRACE_SECONDS)
        for each in late:
            each.cancel()
        for each in done:
            each.cancelled() or each.exception()  # seen, so that asyncio does not report it
        raise


@asynccontextmanager
async def admin_client(
    bootstrap_servers: str, client_options: ClientOptions | None = None
) -> AsyncIterator[AIOKafkaAdminClient]:
    """Give a started admin client, and close it. Raises KafkaError."""
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap_servers, request_timeout_ms=REQUEST_TIMEOUT_MS, **(client_options or {})
    )
    try:
        await start_client(admin)
        yield admin
    finally:
        await admin.close()
