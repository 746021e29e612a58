"""A thousand malformed messages among a thousand good ones: each good one has its verdict, each bad one its reason."""

import asyncio
import itertools
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator

import pytest
import pytest_asyncio

from benchmarks.noisy_neighbour import Run, delays, paced, settle, table
from benchmarks.post import REASONS, Answer, Parcel, Parcels, Post
from demo.dispatch import Garbage
from demo.sample import Sample
from demo.stack import Addresses
from deploy.embedded.stack import DEFAULT_SAMPLE, DEFAULT_START, Stack
from tests.parts import make_folder, remove_folder

pytestmark = [pytest.mark.faults, pytest.mark.deep, pytest.mark.timeout(300)]

COUNT = 1000
QUIET_COUNT = 200
PER_SECOND = 60.0
UNREADABLE, UNKNOWN_TYPE = "door.unreadable", "door.unknown_type"

Place = tuple[str, int]


@pytest_asyncio.fixture(scope="module")
async def addresses() -> AsyncIterator[Addresses]:
    folder = make_folder()
    try:
        async with Stack(folder / "data") as stack:
            yield Addresses.read(stack.addresses_file)
    finally:
        remove_folder(folder)


def faults_of(
    sent: Iterable[Parcel], offsets: dict[str, Place], answers: Iterable[Answer], letters: dict[Place, str]
) -> list[str]:
    """Return what is lost, doubled, out of order, or has no usable reason; nothing when the books balance."""
    sent = list(sent)
    verdicts: Counter[str | None] = Counter()
    rejected: dict[tuple[str, int | None], list[tuple[str, ...]]] = defaultdict(list)
    newest: dict[str, int] = defaultdict(int)
    found = []
    for answer in answers:
        if answer.kind == "verdict":
            verdicts[answer.id] += 1
            for delivery, version in answer.deliveries:
                if version <= newest[delivery]:
                    found.append(f"out of order: {delivery} v{version} after v{newest[delivery]}")
                newest[delivery] = version
        elif answer.kind == "package.rejected":
            rejected[answer.unit, answer.offset].append(answer.findings)
    for parcel in sent:
        topic, offset = offsets[parcel.id]
        if parcel.garbage is None:
            found += [f"{verdicts[parcel.id]} verdicts: {parcel.id}"] if verdicts[parcel.id] != 1 else []
            continue
        rule = UNKNOWN_TYPE if parcel.garbage is Garbage.UNKNOWN_TYPE else UNREADABLE
        if rejected[parcel.unit, offset] != [(rule,)]:
            found.append(f"{parcel.garbage} at {topic}@{offset} was answered {rejected[parcel.unit, offset]}")
        if letters.get((topic, offset)) != REASONS.get(parcel.garbage):
            found.append(f"{parcel.garbage} at {topic}@{offset} has the reason {letters.get((topic, offset))}")
    return found


def good(parcels: Parcels, units: list[str], count: int) -> Iterator[Parcel]:
    return (parcels.good(unit) for unit in itertools.islice(itertools.cycle(units), count))


def flood(parcels: Parcels, noisy: str, others: list[str], post: Post, heap: list[Parcel]) -> Iterator[Parcel]:
    """Yield good ones of the others, with half as many malformed ones of all; one unit sends as many at once."""
    units = itertools.cycle([noisy, *others])
    for number, parcel in enumerate(good(parcels, others, COUNT)):
        if number == COUNT // 4:
            for _ in range(COUNT // 2):
                heap.append(parcels.malformed(noisy))
                post.send(heap[-1])
        yield parcel
        if number % 2:
            yield parcels.malformed(next(units))


def played(addresses: Addresses) -> list[str]:
    sample = Sample.read(DEFAULT_SAMPLE)
    parcels = Parcels(sample, {code for code, unit in sample.units.items() if unit.kafka_door}, DEFAULT_START)
    noisy, *others = parcels.units
    post, heap = Post(addresses.bootstrap_servers, parcels.units), list[Parcel]()
    try:
        quiet = paced(post, good(parcels, others, QUIET_COUNT), PER_SECOND / 2)
        settle(post, quiet)
        sent = paced(post, flood(parcels, noisy, others, post, heap), PER_SECOND)
        settle(post, [*sent, *heap])
    finally:
        post.close()
    malformed = [each for each in (*sent, *heap) if each.garbage is not None]
    assert (len(sent) + len(heap) - len(malformed), len(malformed)) == (COUNT, COUNT)
    print(table([Run("quiet", delays(post, quiet, others)), Run("in the flood", delays(post, sent, others))]))
    return faults_of([*quiet, *sent, *heap], post.offsets, post.answers, post.letters)


async def test_a_thousand_malformed_messages_cost_the_thousand_good_ones_nothing(addresses: Addresses) -> None:
    assert await asyncio.to_thread(played, addresses) == []


def test_the_books_of_the_flood_notice_what_is_lost_doubled_out_of_order_or_without_reason() -> None:
    first, second = (Parcel("A", each, [], b"", deliveries=("D",)) for each in "12")
    torn = Parcel("A", "3", [], b"", garbage=Garbage.TORN_JSON)
    offsets = {"1": ("t", 1), "2": ("t", 2), "3": ("t", 3)}

    def verdict(parcel: Parcel, version: int) -> Answer:
        return Answer("A", "verdict", parcel.id, 0, 0.0, (), (("D", version),))

    refusal = Answer("A", "package.rejected", None, 3, 0.0, (UNREADABLE,), ())
    all_well = [verdict(first, 1), verdict(second, 2), refusal]
    letters = {("t", 3): "not_json"}
    sent = [first, second, torn]
    assert faults_of(sent, offsets, all_well, letters) == []
    assert faults_of(sent, offsets, all_well[1:], letters) == ["0 verdicts: 1"]
    assert "2 verdicts: 2" in faults_of(sent, offsets, [*all_well, verdict(second, 3)], letters)
    swapped = [verdict(second, 2), verdict(first, 1), refusal]
    assert faults_of(sent, offsets, swapped, letters) == ["out of order: D v1 after v2"]
    assert "was answered []" in faults_of(sent, offsets, all_well[:2], letters)[0]
    assert "has the reason None" in faults_of(sent, offsets, all_well, {})[0]
