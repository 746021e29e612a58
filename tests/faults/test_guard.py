"""A release of validate that throws on everything stops itself; the one that follows goes on, and nothing is lost."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI
from sqlalchemy import select

from deploy.embedded.kafka import EmbeddedKafka
from services.validate.app import EVENTS_GROUP, build_app
from services.validate.state import ValidateState
from services.validate.storage.tables import SERVICE, bus, figures
from shared.bus import Handlers, Work
from shared.bus.guard import CONSECUTIVE_FAULTS_MAX
from shared.bus.letters import Letter, Which, find_letters
from shared.bus.topic_admin import ensure_topics
from shared.bus.topics import ACCESS, CATALOGUE, SUBMISSIONS, VALIDATION_RESULTS
from shared.database import migrate
from shared.delivery_id import DeliveryId
from shared.events.base import Event, EventData
from shared.events.submissions import SubmissionReceivedV1
from shared.settings import CommonSettings
from tests.builders.rule_forms import FORM, a_rule, a_snapshot, some_cells
from tests.parts import until
from tests.validate.test_service import Topics, send
from tests.validate.world import an_event, catalogue_data, received

pytestmark = pytest.mark.faults

UNITS = ("SO-A", "SO-B", "SO-C")
VERSIONS = 20
SNAPSHOT = a_snapshot({"RANGE": a_rule("range(I1, 0, 1000)")})

a_bad_release: Handlers[ValidateState] = Handlers(SERVICE)


@a_bad_release.on(SubmissionReceivedV1)
async def throw(events: Sequence[Event[SubmissionReceivedV1]], work: Work[ValidateState]) -> None:
    raise KeyError("a bad release")


def delivery(unit: str) -> DeliveryId:
    return DeliveryId.of(unit, FORM, "2024-06", "estimate")


def submissions() -> list[Event[EventData]]:
    """All units in turn, each with version after version of its report."""
    return [
        an_event(received(some_cells(I1=version), version=version).model_copy(update={"delivery_id": delivery(unit)}))
        for version in range(1, VERSIONS + 1)
        for unit in UNITS
    ]


@asynccontextmanager
async def running(kafka: EmbeddedKafka, url: str, **wiring: Any) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    common = CommonSettings(database_url=url, bootstrap_servers=kafka.bootstrap_servers)
    app = build_app(common, **wiring)
    transport = httpx.ASGITransport(app=app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://v") as client:
        yield app, client


async def letters(app: FastAPI) -> list[Letter]:
    async with app.state.context.units_of_work.sessions() as session:
        return await find_letters(session, bus.dead_letters, Which())


def replay(url: str) -> subprocess.CompletedProcess[str]:
    """Type `lienthong dlq replay validate --reason handler_failed --wait 30`."""
    return subprocess.run(
        [sys.executable, "-m", "services.cli", "dlq", "replay", SERVICE, "--reason", "handler_failed", "--wait", "30"],
        env={**os.environ, "LIENTHONG_DATABASE_URL": url, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=90,
        check=False,
    )


async def verdicts(topics: Topics) -> list[tuple[str, str]]:
    """Return (delivery, event id) of each verdict, in order for each unit."""
    found = [each for unit in UNITS for each in await topics.on(VALIDATION_RESULTS.name, unit)]
    return [(each["ce_subject"], each["ce_id"]) for each in found]


async def test_a_release_that_throws_on_everything_stops_itself_and_the_next_one_goes_on(
    own_kafka: EmbeddedKafka, database_url: str
) -> None:
    await migrate([SERVICE], database_url)
    await ensure_topics(own_kafka.bootstrap_servers, [SUBMISSIONS, CATALOGUE, ACCESS])
    await send(own_kafka, CATALOGUE.name, [an_event(each) for each in catalogue_data(SNAPSHOT)])
    await send(own_kafka, SUBMISSIONS.name, submissions())

    with structlog.testing.capture_logs() as logs:
        async with running(own_kafka, database_url, handlers=a_bad_release) as (app, client):

            async def stopped() -> bool:
                ready = await client.get("/health/ready")
                return ready.status_code == 503 and app.state.bus.readiness()["guard"] is False

            await until(stopped, seconds=60)
            held = {"event": "message_held", "log_level": "error"}
            await until(lambda: any(held.items() <= each.items() for each in logs), seconds=20)
            alarm = f'lienthong_bus_guard_tripped{{group="{EVENTS_GROUP}",service="{SERVICE}"}} 1.0'
            assert alarm in (await client.get("/metrics")).text
            aside = await letters(app)
            assert len(aside) == CONSECUTIVE_FAULTS_MAX, "no more than the guard's bound"
            assert {letter.detail for letter in aside} == {"KeyError: 'a bad release'"}

    async with (
        running(own_kafka, database_url) as (app, client),
        Topics(own_kafka, VALIDATION_RESULTS.name) as topics,
    ):
        rest = len(UNITS) * VERSIONS - CONSECUTIVE_FAULTS_MAX

        async def so_many(count: int) -> bool:
            return len(await verdicts(topics)) >= count

        await until(lambda: so_many(rest), seconds=60)
        assert app.state.bus.readiness()["guard"] is True
        done = await asyncio.to_thread(replay, database_url)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"{CONSECUTIVE_FAULTS_MAX}/{CONSECUTIVE_FAULTS_MAX} dead letters are done" in done.stdout
        await until(lambda: so_many(rest + CONSECUTIVE_FAULTS_MAX), seconds=30)
        told = await verdicts(topics)
        assert Counter(subject for subject, _ in told) == {str(delivery(unit)): VERSIONS for unit in UNITS}
        assert len({event_id for _, event_id in told}) == len(told), "each version has its one verdict"
        assert {letter.outcome for letter in await letters(app)} == {"handled"}
        assert await newest_figures(app) == dict.fromkeys(UNITS, VERSIONS), (
            "an older version that came later took nobody's place"
        )


async def newest_figures(app: FastAPI) -> dict[str, int]:
    """Return the version of the accepted figures of each unit."""
    async with app.state.context.units_of_work.sessions() as session:
        rows = await session.execute(select(figures.c.unit, figures.c.version))
        return {row.unit: row.version for row in rows}
