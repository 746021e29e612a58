"""Ingest's database put back to a copy, and brought up to what ingest published since."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from services.ingest.recovering import adopt
from services.ingest.storage.tables import bus
from shared.bus.records import Record
from shared.bus.recovery import Findings, Reached
from shared.delivery_id import DeliveryId
from shared.events.findings import Verdict
from shared.settings import CommonSettings
from tests.builders.past import WrittenPast, published
from tests.copies import take_copy
from tests.ingest.conftest import MakeWorld
from tests.ingest.domain.packages import MONTH, a_package, a_report, an_observation
from tests.ingest.world import CLUSTER, Message, Told, World, a_message, an_explanation_message

KEY = {"Idempotency-Key": "k-1"}
WRONG = a_package(a_report("2024-06", "estimate", an_observation(value="x")))


class Restored:
    """A world that takes something in after a copy of its database was taken, and is then put back to it."""

    def __init__(self, world: World, url: str) -> None:
        self.world = world
        self.url = url
        self.sent: list[Record] = []
        self.before: list[Told] = []
        self.findings = Findings()

    async def publish(self, *messages: Message) -> None:
        for each in messages:
            topic = f"agency.{each.unit}.submissions"
            self.sent.append(self.world.record(topic, each.headers, each.value, b""))
            await self.world.packages.process([self.sent[-1]])

    async def copy(self) -> None:
        self.copied = await take_copy(self.url, "ingest")
        self.copied_at = datetime.now(UTC)

    async def everything(self) -> list[Record]:
        async with self.world.units_of_work.sessions() as session:
            return await published(session, bus.outbox)

    async def restore(self, *, lost: Sequence[str] = (), recover: bool = True) -> None:
        """Put the copy back; events of some ids had not been published."""
        self.before = await self.world.told()
        async with self.world.units_of_work.sessions() as session:
            records = await published(session, bus.outbox, lost)
        await self.copied.restore()
        if recover:
            await self.recover([*records, *self.sent])

    async def recover(self, records: Sequence[Record]) -> None:
        settings = CommonSettings(database_url=self.url, objects=self.world.folder / "objects")
        reached = Reached(settings, WrittenPast(records, self.copied_at), CLUSTER, None)
        self.records = records
        async with self.world.units_of_work.begin() as work:
            await adopt(work, reached, self.findings)

    async def read_again(self) -> list[Told]:
        """Let the door read the agencies' topics again; return what it publishes that nobody has had before."""
        known = {each.id: each.value for each in self.before}
        await self.world.packages.process(self.sent)
        told = await self.world.told()
        assert all(known.get(each.id, each.value) == each.value for each in told), "byte for byte"
        return list({each.id: each for each in told if each.id not in known}.values())


@pytest.fixture
async def restored(make_world: MakeWorld, ingest_url: str) -> Restored:
    restored = Restored(await make_world(), ingest_url)
    await restored.publish(a_message(None, "m-0"))
    return restored


async def versions(world: World) -> list[int]:
    return [each.body["version"] for each in await world.told("submission.received")]


async def test_numbers_go_on_and_packages_of_both_doors_are_known_again(restored: Restored) -> None:
    world = restored.world
    await restored.copy()
    await restored.publish(a_message(None, "m-1"))
    first = await world.post(headers=KEY)
    await restored.restore()
    assert await restored.read_again() == []
    again = await world.post(headers=KEY)
    assert (again.status_code, again.json()["package_id"]) == (202, first.json()["package_id"])
    await restored.publish(a_message(None, "m-2"))
    assert (await versions(world))[-1] == 4


async def test_without_it_a_number_is_given_out_twice(restored: Restored) -> None:
    await restored.copy()
    await restored.publish(a_message(None, "m-1"))
    await restored.restore(recover=False)
    await restored.publish(a_message(None, "m-2"))
    assert [each.body["version"] for each in restored.before if each.kind == "submission.received"] == [1, 2]
    assert (await versions(restored.world))[-1] == 2


async def test_numbers_that_were_given_out_twice_stay_the_first_ones_and_the_other_is_left_to_a_person(
    restored: Restored,
) -> None:
    await restored.copy()
    await restored.publish(a_message(None, "m-1"))
    first = await restored.everything()
    await restored.restore(recover=False)
    await restored.publish(a_message(None, "m-2"))  # it ran without recovering; now it is put back once more
    second = [each for each in await restored.everything() if each.headers not in [old.headers for old in first]]
    await restored.copied.restore()
    await restored.recover([*first, *second])
    (text,) = restored.findings.left
    assert f"{MONTH} v2" in text.en
    await restored.publish(a_message(None, "m-3"))
    assert (await versions(restored.world))[-1] == 3


async def test_rejections_and_explanations_are_answered_as_they_were(restored: Restored) -> None:
    world = restored.world
    await restored.copy()
    await restored.publish(a_message(WRONG, "m-1"))
    (submission,) = await world.told("submission.received")
    await world.judge(submission.body, Verdict.NEEDS_EXPLANATION)
    await restored.publish(an_explanation_message())
    await restored.publish(an_explanation_message(event_id="e-2"), a_message(WRONG, "m-1"))
    await restored.restore()
    assert await restored.read_again() == []


async def test_recovering_twice_is_recovering_once(restored: Restored) -> None:
    await restored.copy()
    await restored.publish(a_message(None, "m-1"), a_message(WRONG, "m-2"))
    await restored.restore()
    told = await restored.world.told()
    await restored.recover(restored.records)
    assert await restored.world.told() == told
    assert await restored.read_again() == []


async def test_a_package_of_which_nothing_was_published_is_taken_as_if_it_came_now(restored: Restored) -> None:
    await restored.copy()
    await restored.publish(a_message(None, "m-1"))
    lost = [each.id for each in await restored.world.told() if each.headers.get("ce_causationid") == "m-1"]
    await restored.restore(lost=lost)
    assert [each.kind for each in await restored.read_again()] == ["submission.received", "package.received"]
    assert (await versions(restored.world))[-1] == 2
    assert restored.findings.left == []


async def test_a_receipt_that_was_not_published_is_given_now(restored: Restored) -> None:
    await restored.copy()
    await restored.publish(a_message(None, "m-1"))
    (_, receipt) = await restored.world.told("package.received")
    await restored.restore(lost=[receipt.id])
    (given,) = await restored.read_again()
    assert given.kind == "package.received"
    assert given.body["package_id"] == receipt.body["package_id"]
    assert given.body["submissions"] == receipt.body["submissions"]


async def test_a_receipt_without_its_submissions_is_left_to_a_person(restored: Restored) -> None:
    await restored.copy()
    await restored.publish(a_message(None, "m-1"))
    (_, submission) = await restored.world.told("submission.received")
    await restored.restore(lost=[submission.id])
    (text,) = restored.findings.left
    assert f"{MONTH} v2" in text.en
    assert [each.kind for each in await restored.read_again()] == ["submission.received", "package.received"]


async def test_what_was_acknowledged_over_http_and_not_published_is_found_by_its_original(restored: Restored) -> None:
    world = restored.world
    await restored.copy()
    await world.post(a_package(document_number="another"), headers=KEY)
    (_, submission) = await world.told("submission.received")
    await restored.restore(lost=[submission.id])
    (text,) = restored.findings.left
    assert submission.body["original"] in text.vi


async def test_a_delivery_that_was_opened_after_the_copy_keeps_its_number_and_gets_its_date(
    restored: Restored,
) -> None:
    world = restored.world
    later = DeliveryId.of(MONTH.unit, MONTH.form, "2024-07", MONTH.status)
    await restored.copy()
    await world.open(later)
    july = a_package(a_report("2024-07"))
    await restored.publish(a_message(july, "m-1"))
    await restored.restore()
    await world.open(later)  # its event is read again
    await restored.publish(a_message(july, "m-2"))
    assert (await versions(world))[-1] == 2
    async with world.client() as client:
        found = (await client.get("/v1/deliveries")).json()
    assert {each["delivery_id"]: each["due_at"] for each in found}[str(later)] is not None
