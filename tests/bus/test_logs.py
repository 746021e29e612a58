"""A log line says which package it belongs to, and which event led to the one at hand."""

import asyncio
import json
import sys
from typing import Any

from structlog.contextvars import get_contextvars

from shared.bus.cloudevents import encode
from shared.bus.topic_admin import ensure_topics
from shared.bus.tracing import traced
from shared.clock import RealClock
from shared.events.base import Event
from tests.bus.events import CountedV1, topic_table
from tests.bus.kafka_tools import Headers, write
from tests.bus.test_cloudevents import a_record
from tests.parts import Broker

Message = tuple[bytes | None, bytes | None, Headers]


def an_event(number: int) -> Message:
    event = Event(
        id=f"e-{number}",
        source="urn:lienthong:counter",
        type=CountedV1.ce_type,
        time=RealClock().now(),
        data=CountedV1(number=number),
        unit="SKHDT",
        correlation_id=f"package-{number}",
        causation_id=f"cause-{number}",
    )
    message = encode(event)
    return message.key, message.value, message.headers


async def test_lines_of_a_real_process_carry_correlation_and_causation(
    kafka: Broker, counter_database: str, prefix: str
) -> None:
    await ensure_topics(kafka.bootstrap_servers, topic_table(prefix).topics_of("counter"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bus.replica", kafka.bootstrap_servers, counter_database, prefix, "7"),
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert process.stderr is not None
    lines: dict[str, dict[str, Any]] = {}
    try:
        await write(kafka.bootstrap_servers, f"{prefix}.counted", an_event(7))
        async with asyncio.timeout(60):
            while not {"effect", "message_put_aside"} <= lines.keys():
                text = await process.stderr.readline()
                if not text.startswith(b"{"):
                    continue  # a warning of the interpreter
                line = json.loads(text)
                lines[line["event"]] = line
                if line["event"] == "message_put_aside":  # the other in a run of its own
                    await write(kafka.bootstrap_servers, f"{prefix}.counted", an_event(8))
    finally:
        process.terminate()
        await process.wait()
    expected = {"event_id": "e-7", "correlation_id": "package-7", "causation_id": "cause-7"}
    assert lines["message_put_aside"].items() >= expected.items()
    assert lines["effect"].items() >= {"correlation_id": "package-8", "causation_id": "cause-8"}.items()
    assert {lines[event]["service"] for event in ("effect", "message_put_aside")} == {"counter"}
    assert "correlation_id" not in lines["bus_ready"]


def test_a_run_of_several_packages_carries_them_all_and_leaves_nothing_behind() -> None:
    first, second = (a_record(headers=an_event(number)[2]) for number in (1, 2))
    with traced([first, second, first]):
        assert get_contextvars()["correlation_id"] == ["package-1", "package-2"]
        assert get_contextvars()["causation_id"] == ["cause-1", "cause-2"]
    assert not {"correlation_id", "causation_id"} & get_contextvars().keys()
    with traced([a_record(headers=[("ce_correlationid", b"\xff"), ("ce_causationid", b"one")])]):
        assert get_contextvars().get("causation_id") == "one"
        assert "correlation_id" not in get_contextvars()
