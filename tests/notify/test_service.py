"""The whole service on a real broker, database and mail server, between others that are played."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from deploy.embedded.kafka import EmbeddedKafka
from services.notify.app import build_app
from services.notify.domain.recheck import Recheck, recheck
from services.notify.settings import NotifySettings
from services.notify.storage.tables import bus
from shared.bus.parts import Parts
from shared.database import migrate
from shared.delivery_id import DeliveryId
from shared.events.catalogue import ContactRole, ContactV1
from shared.settings import CommonSettings
from tests.builders.catalogue_files import FORM, OTHER_UNIT, UNIT, a_snapshot
from tests.notify.nulls import NullWatermarks, null_recheck
from tests.notify.outside import MovingClock, Others
from tests.notify.smtp_scripts import ScriptedSmtp
from tests.parts import MailServer, until

START = datetime(2024, 6, 10, 1, tzinfo=UTC)
REMIND_AT = datetime(2024, 6, 16, 1, tzinfo=UTC)
DUE = datetime(2024, 6, 18, 16, 59, 59, tzinfo=UTC)
MONTH = DeliveryId.of(UNIT, FORM, "2024-06", "estimate")
QUARTER = DeliveryId.of(UNIT, FORM, "2024-Q2", "estimate")
OTHER = DeliveryId.of(OTHER_UNIT, FORM, "2024-06", "estimate")
HEADER = "X-Lienthong-Deliveries"
REMINDED = f"{MONTH};step=reminder:2"

RESPONSIBLE = ContactV1(id="A-1", unit=UNIT, name="Nguyễn Thị A", email="a@so-a.example", role=ContactRole.RESPONSIBLE)
DELEGATE = ContactV1(
    id="A-2", unit=UNIT, name="Trần Văn B", email="b@so-a.example", role=ContactRole.DELEGATE, forms=("002.T/BCS-A",)
)

StartService = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock(START)


@pytest_asyncio.fixture
async def others(own_kafka: EmbeddedKafka, clock: MovingClock) -> AsyncIterator[Others]:
    others = Others(own_kafka.bootstrap_servers, clock)
    await others.start()
    await others.catalogue(a_snapshot(), (2, time(8)))
    for contact in (RESPONSIBLE, DELEGATE):
        await others.contact(contact)
    await others.token("office", "statistician")
    await others.token("unit", f"unit:{UNIT}")
    yield others
    await others.stop()


@pytest_asyncio.fixture
async def start_service(
    own_kafka: EmbeddedKafka, database_url: str, smtp: MailServer, others: Others, clock: MovingClock
) -> AsyncIterator[StartService]:
    """Start a replica, wired as the keywords say, and return a client of it, once it is ready."""
    await migrate(["notify"], database_url)
    settings = NotifySettings(settle_seconds=0.3, tick_seconds=0.05, send_poll_seconds=0.05)
    async with AsyncExitStack() as running:

        async def start(smtp_url: str = smtp.url, **wiring: Any) -> httpx.AsyncClient:
            common = CommonSettings(
                bootstrap_servers=own_kafka.bootstrap_servers,
                database_url=database_url,
                smtp_url=smtp_url,
                simulated=True,
            )
            app = build_app(common, settings=settings, clock=clock, **wiring)
            await running.enter_async_context(app.router.lifespan_context(app))
            client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://notify")
            await running.enter_async_context(client)

            async def ready() -> bool:
                return (await client.get("/health/ready")).status_code == httpx.codes.OK

            await until(ready, seconds=30)
            return client

        yield start


async def ask(client: httpx.AsyncClient, path: str, bearer: str = "office", **query: Any) -> Any:
    answer = await client.get(f"/v1/{path}", params=query, headers={"Authorization": f"Bearer {bearer}"})
    answer.raise_for_status()
    return answer.json()


async def states(client: httpx.AsyncClient, delivery: DeliveryId) -> dict[str, str]:
    """Return the state of each step that somebody is told of a delivery."""
    return {each["step"]: each["state"] for each in await ask(client, "notices", delivery=str(delivery))}


async def known_as_received(client: httpx.AsyncClient, delivery: DeliveryId) -> bool:
    ahead = await ask(client, "upcoming", days=9)
    return any(each["delivery_id"] == str(delivery) and each["why"]["en"].startswith("Received") for each in ahead)


async def nobody_else_may_ask(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/mails")).status_code == httpx.codes.UNAUTHORIZED
    asked = {"Authorization": "Bearer unit"}
    assert (await client.get("/v1/mails", headers=asked)).status_code == httpx.codes.FORBIDDEN
    assert (await client.get("/v1/upcoming", headers=asked)).status_code == httpx.codes.FORBIDDEN
    assert len(await ask(client, "notices", bearer="unit", delivery=str(MONTH))) == 3
    refused = await client.get("/v1/notices", params={"delivery": str(OTHER)}, headers=asked)
    assert refused.status_code == httpx.codes.FORBIDDEN
    wrong = await client.get("/v1/notices", params={"delivery": "nonsense"}, headers={"Authorization": "Bearer office"})
    assert wrong.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert wrong.json()["type"].endswith("bad_delivery_id")


async def test_the_ladder_of_a_delivery_from_opening_to_a_late_return(
    start_service: StartService, others: Others, clock: MovingClock, smtp: MailServer
) -> None:
    client = await start_service()
    for delivery in (MONTH, QUARTER):
        await others.opened(delivery, DUE)
    ahead = await until(lambda: ask(client, "upcoming", days=9))
    assert {(each["step"], each["contacts"][0]["contact_id"]) for each in ahead} == {
        ("reminder:2", "A-1"),
        ("passed", "A-1"),
    }
    assert RESPONSIBLE.email not in str(ahead)

    clock.move_to(REMIND_AT + timedelta(minutes=1))
    await others.received(QUARTER)
    await others.watermark(UNIT)
    (reminder,) = await smtp.wait_for(1)
    assert reminder.headers[HEADER] == f"{MONTH};step=reminder:2"
    assert reminder.recipients == (RESPONSIBLE.email,)
    assert reminder.date is not None
    assert abs(reminder.date - clock.now()) < timedelta(minutes=5), "the Date is business time"

    clock.move_to(DUE + timedelta(hours=9))
    await others.watermark(UNIT)
    await others.passed(MONTH, DUE)
    package = uuid4()
    for delivery in (MONTH, QUARTER):
        await others.returned(delivery, package, error_count=12)
    mails = {mail.headers[HEADER]: mail for mail in (await smtp.wait_for(3))[1:]}
    assert set(mails) == {
        f"{MONTH};step=passed",
        f"{MONTH};step=returned:1.1, {QUARTER};step=returned:1.1",
    }
    returned = mails[f"{MONTH};step=returned:1.1, {QUARTER};step=returned:1.1"]
    assert "D9" in str(returned.text)
    assert "1.234,5" in str(returned.html)

    async def told() -> bool:
        return set((await states(client, MONTH)).values()) == {"sent"}

    await until(told)
    assert set(await states(client, MONTH)) == {"reminder:2", "passed", "returned:1.1"}
    found = await ask(client, "mails", state="sent", contact="A-1", delivery=str(QUARTER))
    assert [mail["message_id"] for mail in found] == [returned.message_id]
    await nobody_else_may_ask(client)


@pytest.mark.parametrize(("look", "told"), [(recheck, []), (null_recheck, [REMINDED])], ids=["look", "null_look"])
async def test_the_last_look_keeps_a_queued_reminder_from_a_unit_that_has_sent(
    start_service: StartService, others: Others, clock: MovingClock, look: Recheck, told: list[str]
) -> None:
    """The mail server is away while the report comes in; without the last look its unit is nagged all the same."""
    async with ScriptedSmtp().listening() as post:
        port = post.port
    client = await start_service(f"smtp://127.0.0.1:{port}", recheck=look)
    await others.opened(MONTH, DUE)
    clock.move_to(REMIND_AT + timedelta(minutes=1))
    await others.watermark(UNIT)
    await until(lambda: ask(client, "mails", state="queued"))
    await others.received(MONTH)
    await others.watermark(UNIT)
    await until(lambda: known_as_received(client, MONTH))
    async with post.listening(port):
        await until(lambda: ask(client, "mails", state="sent" if told else "suppressed"), seconds=20)
    assert post.named == told


@pytest.mark.parametrize("told", [[QUARTER], [MONTH, QUARTER]], ids=["watermark", "null_watermark"])
async def test_a_reminder_waits_until_the_doors_have_published(
    start_service: StartService,
    others: Others,
    clock: MovingClock,
    smtp: MailServer,
    told: list[DeliveryId],
) -> None:
    """A report comes in time and is published late; without the watermark its unit is nagged all the same."""
    parts, real = Parts.of("notify", bus), told == [QUARTER]
    client = await start_service(parts=parts if real else replace(parts, watermarks=NullWatermarks(clock)))
    for delivery in (MONTH, QUARTER):
        await others.opened(delivery, DUE)
    await until(lambda: ask(client, "upcoming", days=9))
    clock.move_to(REMIND_AT + timedelta(minutes=1))
    if not real:
        await smtp.wait_for(1)
    await others.received(MONTH)
    await others.watermark(UNIT)
    (mail,) = await smtp.wait_for(1)
    assert mail.headers[HEADER] == ", ".join(f"{delivery};step=reminder:2" for delivery in told)


async def test_replicas_share_the_work_and_nobody_is_told_twice(
    start_service: StartService, others: Others, clock: MovingClock, smtp: MailServer
) -> None:
    deliveries = [DeliveryId.of(UNIT, FORM, f"2024-{month:02d}", "estimate") for month in range(1, 13)]
    events = [await others.opened(delivery, DUE + timedelta(days=3 * day)) for day, delivery in enumerate(deliveries)]
    client, _ = await start_service(), await start_service()
    for event in events:
        await others.publish_again(event)
    clock.move_to(REMIND_AT + timedelta(days=40))
    for event in events[: len(events) // 2]:
        await others.publish_again(event)
    await others.watermark(UNIT)
    for day, delivery in enumerate(deliveries):
        await others.passed(delivery, DUE + timedelta(days=3 * day))

    async def all_told() -> bool:
        return all([(await states(client, delivery)).get("passed") == "sent" for delivery in deliveries])

    await until(all_told, seconds=20)
    named = [part for mail in smtp.mails() for part in mail.headers[HEADER].split(", ")]
    assert len(named) == len(set(named))
    assert {f"{delivery};step=passed" for delivery in deliveries} <= set(named)
