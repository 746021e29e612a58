"""A producer that is given up while it asks for a topic holds up nobody."""

import asyncio

import pytest

from shared.bus import publisher as module
from shared.bus.publisher import Publisher, UnsentRow
from tests.parts import Broker, until

ROW = UnsentRow(1, "no.such.topic", 0, "SKHDT", b"{}", {})


async def given_up_while_it_asks(kafka: Broker, limit: float, monkeypatch: pytest.MonkeyPatch) -> asyncio.Task[int]:
    """Send to a topic that is not there, and give the producer up while it asks; wait a moment longer than 1 s."""
    monkeypatch.setattr(module, "METADATA_SECONDS_MAX", limit)
    publisher = Publisher(kafka.bootstrap_servers)
    sending = asyncio.create_task(publisher.send([ROW]))
    await until(lambda: publisher._producer is not None)
    await publisher.renew()
    await asyncio.wait({sending}, timeout=3)
    return sending


async def test_a_send_ends_though_its_producer_was_given_up(kafka: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    sending = await given_up_while_it_asks(kafka, 1.0, monkeypatch)
    with pytest.raises(TimeoutError):
        await sending


async def test_without_a_limit_it_would_wait_without_end(kafka: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    sending = await given_up_while_it_asks(kafka, 3600.0, monkeypatch)
    assert not sending.done()
    sending.cancel()
    await asyncio.wait({sending})
