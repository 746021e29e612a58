"""Events come twice; behind the inbox stands notify's own memory of what it told. Each wall holds alone."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import delete

from services.notify.storage.tables import bus, mails, notices, steps
from shared.bus.inbox import Inbox, PostgresInbox
from shared.bus.parts import Parts
from tests.bus.nulls import NullInbox
from tests.notify.conftest import MakeWorld
from tests.notify.events import DUE, opened, passed
from tests.notify.smtp_scripts import ScriptedSmtp
from tests.notify.world import MONTH, World

TOLD = f"{MONTH};step=passed"


async def told_and_repeated(world: World, *, forget: bool) -> None:
    """A passed deadline is told, then its event comes again; `forget`: what was told is wiped in between."""
    await world.tell(opened())
    world.clock.business = DUE + timedelta(hours=9)
    events = await world.tell(passed())
    await world.queue()
    await world.send()
    if forget:
        async with world.units_of_work.begin() as work:
            for table in (notices, mails, steps):
                await work.session.execute(delete(table))
    await world.feed(*events)
    await world.queue()
    await world.send()


def with_inbox(inbox: Inbox) -> Parts:
    return replace(Parts.of("notify", bus), inbox=inbox)


async def test_the_inbox_alone_keeps_a_step_from_being_told_twice(make_world: MakeWorld, post: ScriptedSmtp) -> None:
    await told_and_repeated(make_world(parts=with_inbox(PostgresInbox(bus.inbox))), forget=True)
    assert post.named == [TOLD]


async def test_the_memory_of_what_was_told_does_so_alone(make_world: MakeWorld, post: ScriptedSmtp) -> None:
    await told_and_repeated(make_world(parts=with_inbox(NullInbox())), forget=False)
    assert post.named == [TOLD]


async def test_without_both_a_step_is_told_twice(make_world: MakeWorld, post: ScriptedSmtp) -> None:
    """Negative control of the two tests above. Even then the Message-ID is the same, so that readers show one mail."""
    await told_and_repeated(make_world(parts=with_inbox(NullInbox())), forget=True)
    assert post.named == [TOLD, TOLD]
    assert len(set(post.message_ids)) == 1
