"""Validate's database put back to a copy: told judgements stay as they were told."""

from datetime import UTC, datetime

from services.validate.recovering import adopt
from services.validate.storage.judgements import judgements_of
from services.validate.storage.tables import bus, figures, judgements, submissions
from shared.bus.inbox import Identity
from shared.events.findings import Verdict
from shared.events.validation_results import ValidationCompletedV1
from tests.builders.past import published, read_back
from tests.builders.rule_forms import a_cell, a_delivery, a_line, a_rule, a_snapshot
from tests.copies import take_copy
from tests.validate.test_handlers import JUNE, JUNE_ODD, MAY, MONTHS, month
from tests.validate.world import World, explained, received

STRICTER = a_snapshot(
    {"LOW": a_rule("range(I1, 500, 1000)")}, lines=(a_line("I1", columns=("value", "cumulative")),), release=2
)


async def state(world: World) -> list[object]:
    async with world.sessions() as session:
        return [
            (each.result, each.warned, each.explained)
            for delivery in (a_delivery("2024-05"), a_delivery("2024-06"))
            for each in await judgements_of(session, delivery)
        ]


async def test_judgements_stay_as_they_were_told_also_by_an_older_release(world: World, validate_url: str) -> None:
    await world.release(MONTHS)
    await world.take(MAY)
    copy, since = await take_copy(validate_url, "validate"), datetime.now(UTC)
    records = await world.take(JUNE_ODD, explained("JUMP"), received(month(12, 62), version=2))
    told = await state(world)
    counts = [await world.count(table) for table in (submissions, judgements, figures)]
    async with world.sessions() as session:
        topics = [*await published(session, bus.outbox), *records]
    await copy.restore()
    await world.release(STRICTER)
    for _ in range(2):
        await read_back(adopt, world.units_of_work, topics, since)
    assert await state(world) == told
    assert [await world.count(table) for table in (submissions, judgements, figures)] == counts
    before = len(await world.published(ValidationCompletedV1))
    await world.processor.process(records)
    assert len(await world.published(ValidationCompletedV1)) == before, "the inbox knows what was read back"
    assert await world.count(bus.dead_letters) == 0


async def test_without_it_a_told_verdict_comes_out_otherwise(world: World, validate_url: str) -> None:
    await world.release(MONTHS)
    copy = await take_copy(validate_url, "validate")
    records = await world.take(JUNE)
    await copy.restore()
    await world.release(STRICTER)
    await world.processor.process(records)
    (again,) = await world.published(ValidationCompletedV1)
    assert again.verdict is Verdict.RETURNED


async def test_what_was_not_judged_yet_is_judged_then(world: World, validate_url: str) -> None:
    await world.release(MONTHS)
    copy, since = await take_copy(validate_url, "validate"), datetime.now(UTC)
    judged_already = await world.take(MAY)
    async with world.sessions() as session:
        topics = [*await published(session, bus.outbox), *judged_already]
    await copy.restore()
    await read_back(adopt, world.units_of_work, topics, since)
    async with world.sessions() as session:
        source = dict(judged_already[0].headers)
        known = Identity(source["ce_source"].decode(), source["ce_id"].decode())
        assert await world.parts.inbox.contains(session, known)
    await world.take(JUNE)
    (result,) = [each for each in await world.published(ValidationCompletedV1) if each.version == 1][-1:]
    assert result.verdict is Verdict.ACCEPTED, "June is compared with the figures of May that were read back"
    assert a_cell("I1", 12) in JUNE.cells
