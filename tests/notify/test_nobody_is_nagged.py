"""Promise 6: nobody is nagged twice or wrongly. Each mechanism is also left out, to see that the check notices."""

from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from services.notify.domain.recheck import Untrue
from services.notify.queueing import UNOPENED_RETRY_SECONDS
from services.notify.storage.tables import bus, deliveries, notices
from shared.bus.inbox import Inbox, PostgresInbox
from shared.bus.parts import Parts
from shared.events.base import EventData
from shared.events.catalogue import ReminderStep
from shared.events.findings import Verdict
from shared.events.notifications import NotificationSentV1, NotificationSuppressedV1
from tests.bus.nulls import NullInbox
from tests.notify.conftest import MakeWorld
from tests.notify.events import DUE, REMIND_AT, closed, extended, judged, met, opened, passed, received
from tests.notify.nulls import NullWatermarks, null_recheck
from tests.notify.smtp_scripts import ScriptedSmtp
from tests.notify.world import MONTH, OTHER, OTHER_CONTACT, QUARTER, QUICK, TwoClocks, World

REMINDED = f"{MONTH};step=reminder:2"
AFTER = REMIND_AT + timedelta(minutes=1)


async def reminder_queued(world: World) -> World:
    """A reminder waits in the queue."""
    await world.tell(opened())
    world.clock.business = AFTER
    await world.watermark(AFTER)
    await world.queue()
    assert [mail["state"] for mail in await world.mails()] == ["queued"]
    return world


async def test_who_has_not_sent_is_reminded_once(world: World, post: ScriptedSmtp) -> None:
    await reminder_queued(world)
    await world.send()
    for _ in range(3):
        await world.queue()
        await world.send()
    assert post.named == [REMINDED]
    (sent,) = await world.published(NotificationSentV1)
    assert sent.message_id == post.message_ids[0]
    assert f"{sent.notices[0].delivery_id};step={sent.notices[0].step}" == REMINDED


UNTRUE = [
    (received(at=AFTER), Untrue.RECEIVED),
    (met(), Untrue.MET),
    (closed(), Untrue.CLOSED),
    (extended(due_at=DUE + timedelta(days=10)), Untrue.REDATED),
]


@pytest.mark.parametrize(("event", "reason"), UNTRUE)
async def test_a_reminder_that_is_no_longer_true_is_not_sent(
    world: World, post: ScriptedSmtp, event: EventData, reason: Untrue
) -> None:
    await reminder_queued(world)
    await world.tell(event)
    await world.send()
    assert post.taken == []
    assert list((await world.notices()).values()) == [("suppressed", reason.value)]
    (suppressed,) = await world.published(NotificationSuppressedV1)
    assert suppressed.reason == reason.value


@pytest.mark.parametrize(("event", "reason"), UNTRUE)
async def test_without_the_last_look_it_would_be_sent(
    make_world: MakeWorld, post: ScriptedSmtp, event: EventData, reason: Untrue
) -> None:
    """Negative control of the test above."""
    world = await reminder_queued(make_world(recheck=null_recheck))
    await world.tell(event)
    await world.send()
    assert post.named == [REMINDED], "a unit that has delivered is nagged"


async def package_at_the_door(world: World) -> World:
    """The unit sent in time; ingest has it, and could not publish it before the reminder's instant was gone."""
    await world.tell(opened())
    await world.watermark(REMIND_AT - timedelta(minutes=10))
    world.clock.business = AFTER
    await world.queue()
    await world.send()
    await world.tell(received(at=REMIND_AT - timedelta(minutes=5)))
    await world.watermark(AFTER)
    await world.queue()
    await world.send()
    return world


async def test_a_reminder_waits_for_the_watermark(world: World, post: ScriptedSmtp) -> None:
    await package_at_the_door(world)
    assert post.taken == []
    assert await world.notices() == {}


async def test_without_the_watermark_it_would_not_wait(
    make_world: MakeWorld, clock: TwoClocks, post: ScriptedSmtp
) -> None:
    """Negative control of the test above."""
    parts = replace(Parts.of("notify", bus), watermarks=NullWatermarks(clock))
    await package_at_the_door(make_world(parts=parts))
    assert post.named == [REMINDED], "a unit that sent in time is nagged"


async def opened_again_after_telling(world: World) -> datetime | None:
    """`opened` and `passed` come a second time, as after a rebalance; return how far reminders were looked at."""
    events = await world.tell(opened())
    world.clock.business = AFTER
    await world.watermark(AFTER)
    await world.queue()
    await world.send()
    world.clock.business = DUE + timedelta(hours=9)
    events += await world.tell(passed())
    await world.queue()
    await world.send()
    await world.feed(*events)
    async with world.units_of_work.sessions() as session:
        reminded_through = await session.scalar(select(deliveries.c.reminded_through))
    await world.queue()
    await world.send()
    return reminded_through


@pytest.mark.parametrize("inbox", [PostgresInbox(bus.inbox), NullInbox()])
async def test_an_event_that_comes_twice_tells_nobody_twice(
    make_world: MakeWorld, post: ScriptedSmtp, inbox: Inbox
) -> None:
    """There are two walls: the inbox, and behind it the keys of `steps` and `notices`. Either alone holds."""
    world = make_world(parts=replace(Parts.of("notify", bus), inbox=inbox))
    await opened_again_after_telling(world)
    assert post.named == [REMINDED, f"{MONTH};step=passed"]


async def test_the_inbox_keeps_effects_from_being_done_twice(make_world: MakeWorld) -> None:
    assert await opened_again_after_telling(make_world()) == AFTER


async def test_without_the_inbox_they_would_be(make_world: MakeWorld) -> None:
    """Negative control of the test above: the reminders of a told deadline are planned once more."""
    world = make_world(parts=replace(Parts.of("notify", bus), inbox=NullInbox()))
    assert await opened_again_after_telling(world) is None


async def test_the_database_refuses_a_notice_in_a_second_mail(world: World) -> None:
    await reminder_queued(world)
    async with world.units_of_work.sessions() as session:
        (notice,) = (await session.execute(select(notices))).mappings()
        with pytest.raises(IntegrityError):
            await session.execute(insert(notices).values(**notice))


async def test_only_what_is_true_of_a_mail_is_told(world: World, post: ScriptedSmtp) -> None:
    await world.tell(opened(), opened(QUARTER))
    world.clock.business = AFTER
    await world.watermark(AFTER)
    await world.queue()
    await world.tell(received(QUARTER, at=AFTER))
    await world.send()
    assert post.named == [REMINDED]
    (suppressed,) = await world.published(NotificationSuppressedV1)
    (sent,) = await world.published(NotificationSentV1)
    assert suppressed.message_id == sent.message_id
    assert [notice.delivery_id for notice in suppressed.notices] == [QUARTER]
    assert [notice.delivery_id for notice in sent.notices] == [MONTH]


async def test_an_extension_starts_the_ladder_again(world: World, post: ScriptedSmtp) -> None:
    await reminder_queued(world)
    await world.send()
    await world.tell(passed())
    later = DUE + timedelta(days=14)
    world.clock.business = DUE + timedelta(days=1)
    await world.tell(extended(due_at=later))
    await world.queue()
    await world.send()
    assert post.named == [REMINDED], "the date that passed is not spoken of any more"
    world.clock.business = AFTER + timedelta(days=14)
    await world.watermark(world.clock.business)
    await world.queue()
    await world.send()
    world.clock.business = later + timedelta(hours=9)
    await world.tell(passed(deadline_version=2, due_at=later))
    await world.queue()
    await world.send()
    assert post.named == [REMINDED, f"{MONTH};step=reminder:2:2", f"{MONTH};step=passed:2"]


async def test_after_an_outage_only_the_latest_overdue_reminder_is_told(
    make_world: MakeWorld, post: ScriptedSmtp
) -> None:
    world = make_world(reminders=((5, time(8)), (2, time(8)), (1, time(8))))
    await world.tell(opened())
    world.clock.business = AFTER + timedelta(hours=20)
    await world.watermark(world.clock.business)
    await world.queue()
    await world.send()
    assert post.named == [REMINDED]


async def test_every_returned_judgement_is_told_whatever_came_since(world: World, post: ScriptedSmtp) -> None:
    await world.tell(opened(), judged(), judged(judgement=2), judged(verdict=Verdict.ACCEPTED, version=2))
    await world.tell(received(version=2, at=DUE - timedelta(days=4)))
    await world.queue()
    await world.send()
    assert sorted(post.named) == [f"{MONTH};step=returned:1.1", f"{MONTH};step=returned:1.2"]


async def test_units_do_not_share_mails(world: World, post: ScriptedSmtp) -> None:
    await world.tell(opened(), opened(OTHER))
    world.clock.business = AFTER
    await world.watermark(AFTER)
    await world.queue()
    await world.send()
    assert {str(mail["To"]): str(mail["X-Lienthong-Deliveries"]) for mail in post.taken} == {
        "Nguyễn Thị A <a@so-a.example>": REMINDED,
        "Lê Văn C <c@so-b.example>": f"{OTHER};step=reminder:2",
    }


async def test_history_is_never_told_even_when_its_verdict_comes_first(world: World, post: ScriptedSmtp) -> None:
    await world.tell(judged())
    await world.queue()
    assert await world.mails() == []
    await world.tell(opened(due_at=None))
    world.pass_machine_time(UNOPENED_RETRY_SECONDS)
    await world.queue()
    await world.send()
    assert post.taken == []


async def test_a_verdict_that_comes_before_its_opening_is_told_after_it(world: World, post: ScriptedSmtp) -> None:
    await world.tell(judged())
    await world.queue()
    await world.tell(opened())
    world.pass_machine_time(UNOPENED_RETRY_SECONDS)
    await world.queue()
    await world.send()
    assert post.named == [f"{MONTH};step=returned:1.1"]


async def test_a_unit_without_contacts_stops_nobody(make_world: MakeWorld, post: ScriptedSmtp) -> None:
    world = make_world(contacts=(OTHER_CONTACT,))
    await world.tell(opened(), opened(OTHER))
    world.clock.business = DUE + timedelta(hours=9)
    await world.tell(passed(), passed(OTHER))
    await world.queue()
    await world.send()
    assert post.named == [f"{OTHER};step=passed"]


async def test_a_new_policy_reminds_of_nothing_that_it_would_have_told_before(world: World, post: ScriptedSmtp) -> None:
    await world.tell(opened())
    world.clock.business = AFTER
    await world.watermark(AFTER)
    await world.queue()
    await world.send()
    reader = world.context.state.reader
    assert reader.snapshot is not None
    rungs = tuple(ReminderStep(days_before=days, at=time(8)) for days in (4, 1))
    calendar = reader.snapshot.calendar.model_copy(update={"reminders": rungs})
    reader.snapshot = replace(reader.snapshot, release=2, calendar=calendar)
    await world.queue()
    world.clock.business = AFTER + timedelta(days=1)
    await world.watermark(world.clock.business)
    await world.queue()
    await world.send()
    assert post.named == [REMINDED, f"{MONTH};step=reminder:1"]


async def test_steps_that_come_apart_settle_into_one_mail(make_world: MakeWorld, post: ScriptedSmtp) -> None:
    world = make_world(settings=QUICK.model_copy(update={"settle_seconds": 2.0}))
    await world.tell(opened(), opened(QUARTER))
    await world.tell(judged())
    world.pass_machine_time(1.5)
    await world.queue()
    await world.tell(judged(QUARTER))
    world.pass_machine_time(1.0)
    await world.queue()
    assert await world.mails() == [], "the younger one has not settled"
    world.pass_machine_time(1.0)
    await world.queue()
    await world.send()
    assert post.named == [f"{MONTH};step=returned:1.1", f"{QUARTER};step=returned:1.1"]
    assert len(post.taken) == 1


async def test_a_straggler_gets_a_mail_of_its_own(world: World, post: ScriptedSmtp) -> None:
    await world.tell(opened(), opened(QUARTER), judged())
    await world.queue()
    await world.tell(judged(QUARTER))
    await world.queue()
    await world.send()
    assert post.named == [f"{MONTH};step=returned:1.1", f"{QUARTER};step=returned:1.1"]
    assert len(set(post.message_ids)) == 2
