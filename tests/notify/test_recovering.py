"""Notify's database put back to a copy: nobody is told again what the topic says that they were told."""

from datetime import UTC, datetime, timedelta

from services.notify.recovering import adopt
from services.notify.storage.tables import bus
from tests.builders.past import published, read_back
from tests.copies import take_copy
from tests.notify.events import DUE, REMIND_AT, judged, opened, passed, received
from tests.notify.smtp_scripts import ScriptedSmtp
from tests.notify.world import MONTH, OTHER, QUARTER, World


async def remind(world: World) -> None:
    world.clock.business = REMIND_AT + timedelta(minutes=1)
    await world.watermark(world.clock.business)
    await world.queue()


async def go_on(world: World, post: ScriptedSmtp, notify_url: str, *, recover: bool = True) -> None:
    """Send what is queued, and more; put a copy back that is older; read the events again, and send again."""
    copy, since = await take_copy(notify_url, "notify"), datetime.now(UTC)
    await world.send()
    (returned,) = await world.tell(judged(version=1))
    world.clock.business = DUE + timedelta(hours=9)
    (late,) = await world.tell(passed(QUARTER))
    await world.queue()
    await world.send()
    assert len(post.taken) == 4
    async with world.units_of_work.sessions() as session:
        records = await published(session, bus.outbox)
    await copy.restore()
    if recover:
        await read_back(adopt, world.units_of_work, records, since)
        await read_back(adopt, world.units_of_work, records, since)  # twice is once
    await world.feed(returned, late)
    await world.queue()
    await world.send()


async def test_who_was_told_is_not_told_again(world: World, post: ScriptedSmtp, notify_url: str) -> None:
    await world.tell(opened(), opened(QUARTER), opened(OTHER))
    await remind(world)
    await go_on(world, post, notify_url)
    assert len(post.taken) == 4
    told = list(post.named)
    assert {mail["state"] for mail in await world.mails()} == {"sent"}
    await world.tell(passed())
    await world.queue()
    await world.send()
    assert post.named[len(told) :] == [f"{MONTH};step=passed"], "what is new is told"


async def test_without_it_they_are_told_twice(world: World, post: ScriptedSmtp, notify_url: str) -> None:
    await world.tell(opened(), opened(QUARTER), opened(OTHER))
    await remind(world)
    await go_on(world, post, notify_url, recover=False)
    assert len(post.message_ids) > len(set(post.message_ids))


async def test_what_was_struck_out_of_a_mail_stays_out_of_it(world: World, post: ScriptedSmtp, notify_url: str) -> None:
    await world.tell(opened(), opened(QUARTER))
    await remind(world)
    copy, since = await take_copy(notify_url, "notify"), datetime.now(UTC)
    await world.tell(received(QUARTER, at=REMIND_AT))
    await world.send()
    async with world.units_of_work.sessions() as session:
        records = await published(session, bus.outbox)
    notices = await world.notices()
    await copy.restore()
    await read_back(adopt, world.units_of_work, records, since)
    await world.send()
    assert post.named == [f"{MONTH};step=reminder:2"]
    states = {name: state for name, (state, _) in (await world.notices()).items()}
    assert states == {name: state for name, (state, _) in notices.items()}
