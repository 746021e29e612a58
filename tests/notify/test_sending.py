"""The queue and a mail server that is slow, refuses, is away, or is never answered back."""

import asyncio
import time
from datetime import timedelta
from uuid import uuid4

import pytest

from services.notify.mail_health import MailHealth
from services.notify.mail_server import MailRefusedError, MailServerAwayError, SmtpAddress, SmtpServer
from services.notify.settings import NotifySettings
from shared.events.notifications import NotificationFailedV1, NotificationSentV1, NotificationSuppressedV1
from tests.notify.conftest import MakeWorld
from tests.notify.events import DUE, judged, opened, passed
from tests.notify.smtp_scripts import KilledAfterSending, ProcessKilledError, ScriptedSmtp
from tests.notify.world import MONTH, OTHER, QUICK, World, a_contact

SENT_MONTH, SENT_OTHER = f"{MONTH};step=passed", f"{OTHER};step=passed"


async def two_mails_queued(world: World) -> World:
    """One mail to each of two units."""
    await world.tell(opened(), opened(OTHER))
    world.clock.business = DUE + timedelta(hours=9)
    await world.tell(passed(), passed(OTHER))
    await world.queue()
    assert [mail["state"] for mail in await world.mails()] == ["queued", "queued"]
    return world


async def states(world: World) -> list[str]:
    return [mail["state"] for mail in await world.mails()]


async def test_a_refusal_for_the_moment_is_tried_again_later(world: World, post: ScriptedSmtp) -> None:
    await two_mails_queued(world)
    post.answers = ["451 4.3.0 Try later"]
    await world.send()
    assert await states(world) == ["queued", "sent"], "the other mail goes out all the same"
    (waiting, _) = await world.mails()
    assert waiting["reason"].startswith("451")
    post.answers = ["452 4.2.2 Full"]
    await world.send()
    assert post.asked == 2, "not before its time"
    world.pass_machine_time(5)
    await world.send()
    world.pass_machine_time(9)
    await world.send()
    assert post.asked == 3, "the pause has doubled"
    world.pass_machine_time(1)
    await world.send()
    assert await states(world) == ["sent", "sent"]
    assert sorted(post.named) == [SENT_MONTH, SENT_OTHER]
    assert len(await world.published(NotificationSentV1)) == 2
    assert [mail["attempts"] for mail in await world.mails()] == [3, 1]


async def test_a_refusal_for_good_fails_that_mail_alone(world: World, post: ScriptedSmtp) -> None:
    await two_mails_queued(world)
    post.answers = ["550 5.1.1 No such mailbox"]
    await world.send()
    assert await states(world) == ["queued", "sent"], "a server that refuses all says the same"
    for _ in range(2):
        assert world.health.good, "others get theirs"
        world.health.taken(0)
        world.pass_machine_time(3600)
        post.answers = ["550 5.1.1 No such mailbox"]
        await world.send()
    assert await states(world) == ["failed", "sent"]
    assert world.health.good
    (failed,) = await world.published(NotificationFailedV1)
    assert failed.reason.startswith("550")
    assert failed.notices[0].delivery_id == MONTH
    assert (await world.notices())[f"A-1 passed {MONTH}"][0] == "failed"


async def test_an_own_address_that_is_refused_fails_no_mail(world: World, post: ScriptedSmtp) -> None:
    await two_mails_queued(world)
    post.sender_answer = "550 5.7.1 You may not write from here"
    await world.send()
    assert await states(world) == ["queued", "queued"]
    post.sender_answer = ""
    world.pass_machine_time(5)
    await world.send()
    assert await states(world) == ["sent", "sent"]


@pytest.mark.parametrize("answer", ["451 4.3.0 Never", "554 5.3.0 Nothing for nobody"])
async def test_a_server_that_refuses_all_costs_no_mail(make_world: MakeWorld, post: ScriptedSmtp, answer: str) -> None:
    world = await two_mails_queued(make_world(settings=QUICK.model_copy(update={"attempts_max": 3})))
    post.answers = [answer] * 20
    for _ in range(10):
        await world.send()
        world.pass_machine_time(300)
    assert await states(world) == ["queued", "queued"]
    assert not world.health.good
    assert post.answers == []
    await world.send()
    assert await states(world) == ["sent", "sent"]
    assert sorted(post.named) == [SENT_MONTH, SENT_OTHER]
    assert world.health.good


class NullHealth(MailHealth):
    """Takes each refusal for the mail's own fault."""

    def refused(self, mail_id: int, contact_id: str) -> bool:
        super().refused(mail_id, contact_id)
        return True


async def test_without_a_look_at_the_others_it_would_cost_all(make_world: MakeWorld, post: ScriptedSmtp) -> None:
    world = await two_mails_queued(make_world(health=NullHealth()))
    post.answers = ["554 5.3.0 Nothing for nobody"] * 2
    await world.send()
    assert await states(world) == ["failed", "failed"]


async def test_tries_come_to_an_end_while_others_get_their_mails(make_world: MakeWorld, post: ScriptedSmtp) -> None:
    world = await two_mails_queued(make_world(settings=QUICK.model_copy(update={"attempts_max": 3})))
    post.answers = ["451 4.3.0 Never"]
    await world.send()
    for _ in range(3):
        post.answers = ["451 4.3.0 Never"]
        world.health.taken(0)
        world.pass_machine_time(300)
        await world.send()
    assert await states(world) == ["failed", "sent"]
    assert post.asked == 4


async def test_while_the_server_is_away_no_mail_uses_up_a_try(world: World) -> None:
    await two_mails_queued(world)
    async with ScriptedSmtp().listening() as late:
        port = late.port
    server = late.client()
    stopping = asyncio.Event()
    sending = asyncio.create_task(world.sender(server).run(stopping))
    with pytest.raises(MailServerAwayError):
        async with server.connect():
            pass
    assert [(mail["state"], mail["attempts"]) for mail in await world.mails()] == [("queued", 0), ("queued", 0)]
    async with late.listening(port):
        await asyncio.wait_for(sending, 20)
    assert sorted(late.named) == [SENT_MONTH, SENT_OTHER]


async def test_a_crash_after_the_servers_250_repeats_the_mail_under_one_message_id(
    world: World, post: ScriptedSmtp
) -> None:
    await two_mails_queued(world)
    with pytest.raises(ProcessKilledError):
        await world.send(KilledAfterSending(world.server))
    await world.send()
    assert await states(world) == ["sending", "sent"], "its lease still runs"
    world.pass_machine_time(QUICK.lease_seconds)
    await world.send()
    assert await states(world) == ["sent", "sent"]
    assert len(post.message_ids) == 3
    assert len(set(post.message_ids)) == 2
    assert len(await world.published(NotificationSentV1)) == 2, "one for each mail"


async def test_a_sender_that_lost_its_lease_records_nothing(world: World, post: ScriptedSmtp) -> None:
    await two_mails_queued(world)
    other = world.sender()

    def lose_the_lease() -> None:
        post.on_data = lambda: None
        world.pass_machine_time(QUICK.lease_seconds + 1)

    post.on_data = lose_the_lease
    taken_over = asyncio.create_task(world.send())
    await asyncio.gather(taken_over, other.run(asyncio.Event()))
    await world.send()
    assert await states(world) == ["sent", "sent"]
    assert len(await world.published(NotificationSentV1)) == 2


async def test_many_senders_send_each_mail_once(world: World, post: ScriptedSmtp) -> None:
    await world.tell(opened())
    await world.tell(*(judged(version=number, package=uuid4()) for number in range(1, 31)))
    await world.queue()
    await asyncio.gather(*(world.send() for _ in range(4)))
    assert len(post.message_ids) == len(set(post.message_ids)) == 30
    assert set(await states(world)) == {"sent"}


async def test_a_contact_that_is_gone_gets_no_mail(world: World, post: ScriptedSmtp) -> None:
    await two_mails_queued(world)
    world.context.state.contacts.put("A-1", None)
    await world.send()
    assert post.named == [SENT_OTHER]
    (suppressed,) = await world.published(NotificationSuppressedV1)
    assert (suppressed.contact_id, suppressed.reason) == ("A-1", "contact_gone")


async def test_an_address_that_is_none_costs_its_own_mail_alone(make_world: MakeWorld, post: ScriptedSmtp) -> None:
    world = make_world(contacts=(a_contact(email="không phải địa chỉ"), a_contact(id="A-2", email="b@so-a.example")))
    await world.tell(opened())
    world.clock.business = DUE + timedelta(hours=9)
    await world.tell(passed())
    await world.queue()
    await world.send()
    assert sorted(await states(world)) == ["failed", "sent"]
    assert [str(mail["To"].addresses[0].addr_spec) for mail in post.taken] == ["b@so-a.example"]


async def test_a_connection_that_breaks_is_opened_again(world: World, post: ScriptedSmtp) -> None:
    await two_mails_queued(world)
    post.answers = ["421 4.3.2 Shutting down"]
    await world.send()
    assert await states(world) == ["queued", "sent"]
    world.pass_machine_time(5)
    await world.send()
    assert await states(world) == ["sent", "sent"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example", SmtpAddress("mail.example", 25, tls=False, start_tls="auto")),
        ("smtp://mail.example:2525?starttls=never", SmtpAddress("mail.example", 2525, tls=False, start_tls="never")),
        ("smtps://u%40x:p%2F@mail.example", SmtpAddress("mail.example", 465, True, "required", "u@x", "p/")),
        ("smtp://u:p@mail.example:587", SmtpAddress("mail.example", 587, False, "required", "u", "p")),
    ],
)
def test_addresses_of_mail_servers(url: str, expected: SmtpAddress) -> None:
    assert SmtpAddress.parse(url) == expected


@pytest.mark.parametrize("url", ["http://mail.example", "smtp://", "smtp://u:p@mail.example?starttls=auto"])
def test_an_address_that_is_none_or_unsafe_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="LIENTHONG_SMTP_URL"):
        SmtpAddress.parse(url)


def test_a_lease_must_outlive_its_mail() -> None:
    with pytest.raises(ValueError, match="LEASE_SECONDS"):
        NotifySettings(lease_seconds=10, send_timeout_seconds=20)


async def test_a_server_that_never_answers_is_left_in_time(post: ScriptedSmtp, world: World) -> None:
    left = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the other side goes
        writer.close()
        left.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    try:
        client = ScriptedSmtp(port=server.sockets[0].getsockname()[1]).client(timeout_seconds=0.2)
        with pytest.raises((MailServerAwayError, MailRefusedError)):
            async with client.connect():
                pass
        await asyncio.wait_for(left.wait(), 10)
    finally:
        server.close()


async def test_a_server_without_the_encryption_that_we_ask_for_gets_nothing(post: ScriptedSmtp) -> None:
    address = SmtpAddress.parse(f"smtp://127.0.0.1:{post.port}?starttls=required")
    with pytest.raises(MailServerAwayError):
        async with SmtpServer(address, timeout_seconds=5).connect():
            pass


async def test_a_replica_keeps_its_pace(make_world: MakeWorld, post: ScriptedSmtp) -> None:
    world = make_world(settings=QUICK.model_copy(update={"mails_per_second_max": 20.0}))
    await world.tell(opened())
    await world.tell(*(judged(version=number, package=uuid4()) for number in range(1, 8)))
    await world.queue()
    started_at = time.monotonic()
    await world.send()
    assert time.monotonic() - started_at >= 6 / 20
    assert len(post.taken) == 7
