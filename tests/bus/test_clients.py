"""A client whose start is cancelled leaves no connection open."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import AIOKafkaConnection

from shared.bus.clients import Startable, start_client
from tests.parts import Broker


async def left_open(
    kafka: Broker, monkeypatch: pytest.MonkeyPatch, start: Callable[[Startable], Awaitable[None]]
) -> list[AIOKafkaConnection]:
    """Start a client, cancel that when it has just asked its first question after connecting, close the client."""
    asked: list[AIOKafkaConnection] = []
    send: Any = AIOKafkaConnection.send

    def send_and_cancel(self: AIOKafkaConnection, request: Any, *args: Any, **options: Any) -> Any:
        answer = send(self, request, *args, **options)
        if type(request).__name__.startswith("MetadataRequest") and not asked:
            asked.append(self)
            asyncio.get_running_loop().call_soon(starting.cancel)
        return answer

    monkeypatch.setattr(AIOKafkaConnection, "send", send_and_cancel)
    client = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    starting = asyncio.ensure_future(start(client))
    await asyncio.wait({starting}, timeout=20)
    assert starting.cancelled()
    assert asked
    await client.close()
    return [each for each in asked if each.connected()]


async def test_a_start_that_is_cancelled_leaves_no_connection_open(
    kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await left_open(kafka, monkeypatch, start_client) == []


async def test_control_a_start_of_the_library_alone_leaves_one(kafka: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    async def alone(client: Startable) -> None:
        await client.start()

    [connection] = await left_open(kafka, monkeypatch, alone)
    connection.close()
