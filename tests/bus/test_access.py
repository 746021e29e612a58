"""Tokens from the topic `access`: at a start, and while the topic is read again, no valid token is refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import httpx
import pytest
from fastapi import Depends, FastAPI

from deploy.embedded.kafka import EmbeddedKafka
from shared.access import AccessTable, Identity, token_digest
from shared.bus.cloudevents import encode
from shared.bus.topic_admin import ensure_topics
from shared.bus.topics import ACCESS
from shared.catalogue.reader import attach_access
from shared.clock import Clock, RealClock
from shared.events.base import Event
from shared.events.catalogue import AccessV1
from shared.http import identify, install_problems
from tests.bus.counter import make_counter
from tests.bus.kafka_tools import write
from tests.parts import until


class ForgetfulTable(AccessTable):
    """The null part: it forgets all when the topic is read again, as it knows nothing at the start."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.begin_again()

    def begin_again(self) -> None:
        self.replace({})


async def publish_token(kafka: EmbeddedKafka, token: str) -> None:
    event = Event(
        id=token,
        source="urn:lienthong:catalogue",
        type=AccessV1.ce_type,
        time=RealClock().now(),
        data=AccessV1(scopes=("unit:SKHDT",), subject=token),
        unit="",
    )
    message = encode(event, token_digest(token))
    await ensure_topics(kafka.bootstrap_servers, [ACCESS])
    await write(kafka.bootstrap_servers, ACCESS.name, (message.key, message.value, message.headers))


class Door:
    """A service's HTTP door, asked again and again with a valid token; it keeps every answer's status."""

    def __init__(self, table: AccessTable) -> None:
        self.statuses: list[int] = []
        self._app = FastAPI()
        install_problems(self._app)

        @self._app.get("/me")
        async def me(identity: Identity = Depends(identify(lambda _: table))) -> str:  # noqa: B008
            return identity.subject

    async def ask(self) -> None:
        transport = httpx.ASGITransport(app=self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
            while True:
                answer = await client.get("/me", headers={"Authorization": "Bearer anna"})
                self.statuses.append(answer.status_code)
                await asyncio.sleep(0)

    def answers(self, status: HTTPStatus) -> bool:
        return bool(self.statuses) and self.statuses[-1] == status


@asynccontextmanager
async def asked(door: Door) -> AsyncIterator[None]:
    task = asyncio.create_task(door.ask())
    yield
    task.cancel()
    await asyncio.wait([task])


async def a_valid_token_is_never_refused(kafka: EmbeddedKafka, url: str, prefix: str, kind: type[AccessTable]) -> None:
    """Twice the process starts, and once it reads the topic again; HTTP listens all the time."""
    await publish_token(kafka, "anna")
    for _ in range(2):
        table = kind(RealClock())
        service, door = make_counter(kafka.bootstrap_servers, url, prefix, consume=False), Door(table)
        attach_access(table, service.bus)
        (topic,) = service.bus.tables
        async with asked(door):
            await until(lambda: door.statuses)  # noqa: B023 -- done before the next round
            service.bus.start()
            await until(lambda: door.answers(HTTPStatus.OK), seconds=30)  # noqa: B023
            topic.reset()
            await until(lambda: not topic.ready.is_set())  # noqa: B023
            await until(topic.ready.is_set)
            await until(lambda: door.answers(HTTPStatus.OK))  # noqa: B023
        await service.stop()
        assert HTTPStatus.UNAUTHORIZED not in door.statuses
        assert door.statuses[0] == HTTPStatus.SERVICE_UNAVAILABLE
        assert sorted(door.statuses, reverse=True) == door.statuses, "503 until all was read once, then 200"


async def test_a_valid_token_is_never_refused(own_kafka: EmbeddedKafka, counter_database: str, prefix: str) -> None:
    await a_valid_token_is_never_refused(own_kafka, counter_database, prefix, AccessTable)


async def test_without_the_copy_aside_valid_tokens_are_refused(
    own_kafka: EmbeddedKafka, counter_database: str, prefix: str
) -> None:
    with pytest.raises(AssertionError, match="UNAUTHORIZED"):
        await a_valid_token_is_never_refused(own_kafka, counter_database, prefix, ForgetfulTable)
