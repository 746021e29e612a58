"""A month in random order, by seed: repeated events, late doors, two replicas, refusals, kills. An oracle looks on."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.notify.storage.tables import bus
from shared.bus.parts import Parts
from shared.delivery_id import DeliveryId
from shared.events.base import Event, EventData
from shared.events.notifications import NotificationSentV1
from tests.builders.catalogue_files import OTHER_UNIT, UNIT
from tests.notify.conftest import START, MakeWorld
from tests.notify.events import DUE, REMIND_AT, opened, passed, received
from tests.notify.nulls import NullWatermarks
from tests.notify.smtp_scripts import KilledAfterSending, ProcessKilledError, ScriptedSmtp
from tests.notify.world import TwoClocks, World

DELIVERIES = tuple(
    DeliveryId.of(unit, f"{number:03}.T/BC", "2024-06", "estimate")
    for unit in (UNIT, OTHER_UNIT)
    for number in range(6)
)
SLOW = DELIVERIES[0]
"""Sent just before the reminder's instant, and published long after it."""
SLOW_DOOR = timedelta(hours=13)
STEP = timedelta(hours=6)
END = DUE + timedelta(days=2)
MINUTE = timedelta(minutes=1)


@dataclass
class Month:
    """Plays the other services: what was sent when, what of it is published, and how far the watermark may be."""

    chance: random.Random
    calm: bool
    replicas: tuple[World, World]
    post: ScriptedSmtp
    sent_at: dict[DeliveryId, datetime] = field(default_factory=dict)
    published: set[DeliveryId] = field(default_factory=set)
    told_late: set[DeliveryId] = field(default_factory=set)
    past: list[Event[Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Many send just before or after an instant that counts."""
        middles = (REMIND_AT, REMIND_AT, DUE, START + (END - START) / 2)
        for delivery in DELIVERIES:
            if self.chance.random() < 0.7:
                self.sent_at[delivery] = self.chance.choice(middles) + MINUTE * self.chance.randrange(-600, 600)
        self.sent_at[SLOW] = REMIND_AT - MINUTE * 30

    @property
    def late(self) -> set[DeliveryId]:
        return {delivery for delivery in DELIVERIES if self.sent_at.get(delivery, END) > DUE}

    async def play(self) -> None:
        await self._tell(*map(opened, DELIVERIES))
        now = START
        while now < END:
            now += STEP
            await self._advance(now)
        await self._settle()

    async def _advance(self, now: datetime) -> None:
        self._world.clock.business = now
        for delivery, at in self.sent_at.items():
            quick = delivery != SLOW and now >= at and self.chance.random() < 0.4
            if (quick or now >= at + SLOW_DOOR) and delivery not in self.published:
                self.published.add(delivery)
                await self._tell(received(delivery, at=at))
        await self._watermark(now)
        if self.past and self.chance.random() < 0.5:
            await self._world.feed(*self.chance.choices(self.past, k=3))
        self.post.answers = [] if self.calm else ["451 4.3.0 Try later"] * self.chance.choice((0, 0, 1, 3))
        await asyncio.gather(*(self._work(world) for world in self.replicas))
        self._world.pass_machine_time(self.chance.randrange(3600))

    async def _watermark(self, now: datetime, *, surely: bool = False) -> None:
        """Say what is true of the doors; then the catalogue tells what has passed."""
        held = [at for delivery, at in self.sent_at.items() if at <= now and delivery not in self.published]
        watermark = min([now, *held]) - timedelta(seconds=2)
        if surely or self.chance.random() < 0.8:
            await self._world.watermark(watermark)
        if watermark > DUE:
            for delivery in sorted(self.late - self.told_late):
                self.told_late.add(delivery)
                await self._tell(passed(delivery))

    async def _work(self, world: World) -> None:
        await world.queue()
        if not self.calm and self.chance.random() < 0.2:
            with suppress(ProcessKilledError):
                await world.send(KilledAfterSending(world.server))
        else:
            await world.send()

    async def _settle(self) -> None:
        """Publish what is left, then work until nothing waits any more."""
        for delivery in sorted(set(self.sent_at) - self.published):
            self.published.add(delivery)
            await self._tell(received(delivery, at=self.sent_at[delivery]))
        await self._watermark(END, surely=True)
        self.post.answers, self.calm = [], True
        waiting = True
        while waiting:
            await self._work(self._world)
            self._world.pass_machine_time(300)
            waiting = any(mail["state"] in {"queued", "sending"} for mail in await self._world.mails())

    async def _tell(self, *data: EventData) -> None:
        self.past += await self._world.tell(*data)

    @property
    def _world(self) -> World:
        return self.replicas[0]


def named(post: ScriptedSmtp) -> dict[tuple[str, str, str], set[str]]:
    """Return the Message-IDs that name each (recipient, delivery, step)."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for mail in post.taken:
        for part in str(mail["X-Lienthong-Deliveries"]).split(", "):
            delivery, _, step = part.partition(";step=")
            found.setdefault((str(mail["To"]), delivery, step), set()).add(str(mail["Message-ID"]))
    return found


async def play_and_check(
    make_world: MakeWorld, post: ScriptedSmtp, seed: int, *, calm: bool = False, parts: Parts | None = None
) -> None:
    replicas = (make_world(parts=parts), make_world(parts=parts))
    month = Month(random.Random(seed), calm, replicas, post)  # noqa: S311 -- plays, guards nothing
    await month.play()
    told = named(post)
    assert {len(ids) for ids in told.values()} == {1}, "each in exactly one Message-ID"
    reminded = {delivery for _, delivery, step in told if step == "reminder:2"}
    assert reminded <= {str(each) for each in DELIVERIES if month.sent_at.get(each, END) > REMIND_AT}
    assert reminded >= {str(each) for each in month.late}
    assert {delivery for _, delivery, step in told if step == "passed"} == {str(each) for each in month.late}
    assert {step for _, _, step in told} <= {"reminder:2", "passed"}
    sent = [each.message_id for each in await month.replicas[0].published(NotificationSentV1)]
    assert len(sent) == len(set(sent)), "one record a mail, also when it went out twice"
    assert set(sent) <= set(post.message_ids)


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.deep) for seed in range(3, 100))])
async def test_whatever_the_order_each_is_told_once_and_nobody_wrongly(
    make_world: MakeWorld, post: ScriptedSmtp, seed: int
) -> None:
    await play_and_check(make_world, post, seed)


@pytest.mark.parametrize("seed", range(1))
async def test_without_the_watermark_somebody_is_told_wrongly(
    make_world: MakeWorld, clock: TwoClocks, post: ScriptedSmtp, seed: int
) -> None:
    """Negative control: the oracle notices a unit that is reminded of what lies at the door."""
    parts = replace(Parts.of("notify", bus), watermarks=NullWatermarks(clock))
    with pytest.raises(AssertionError):
        await play_and_check(make_world, post, seed, calm=True, parts=parts)
