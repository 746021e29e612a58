"""One service's database is restored from a copy that is minutes old: what `lienthong recover` makes whole again.

One town for all tests. Each has deliveries of its own, so the order of the tests does not matter; the deliveries of
the last share are never sent, so that there is always somebody to remind.
"""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from demo.facts import DeadLetter, Judgement, Received
from tests.copies import Copy, take_copy
from tests.faults.desk import (
    a_changed_sample,
    a_token,
    advance_past,
    bearer,
    business_now,
    due_at,
    grant,
    mails_in,
    next_deadline,
    pass_instants_and_see_their_mails,
    release_at,
    status_of,
    told_by_mail,
    until_recorded,
)
from tests.faults.shares import Share, a_share
from tests.parts import until
from tests.system.agencies import Agencies
from tests.system.books import versions_judged
from tests.system.town import Town, a_town

pytestmark = [pytest.mark.faults, pytest.mark.deep, pytest.mark.timeout(240)]

SHARES = ("ingest", "validate", "catalogue", "ingest forgotten", "never sent")
FEW = 5
"""Versions that validate puts aside: of many its guard would hold it, and rightly."""


@pytest_asyncio.fixture(scope="module")
async def whole_town() -> AsyncIterator[Town]:
    async with a_town() as town:
        yield town


@pytest_asyncio.fixture
async def town(whole_town: Town) -> Town:
    """The town when all is ready and the reader has read what was before."""
    await whole_town.stack.wait_ready()
    history = len(whole_town.sample.past)
    await until(lambda: len(versions_judged(whole_town.reader.facts())) >= history, seconds=30)
    return whole_town


def the_share(town: Town, name: str) -> Share:
    return a_share(town, SHARES.index(name), len(SHARES))


async def a_copy(town: Town, service: str) -> Copy:
    return await take_copy(town.stack.addresses.database_url, service)


async def test_ingest_goes_on_with_its_numbers_and_knows_again_what_comes_twice(town: Town) -> None:
    share = the_share(town, "ingest")
    mine = share.town
    before, lost, more, after = share.rounds
    await mine.send(before)
    copy = await a_copy(town, "ingest")
    await mine.send(lost)
    await mine.send(more)
    await share.settle()
    answers = share.answers()
    await town.stack.hold("ingest")
    await copy.restore()
    await town.stack.run("recover", "ingest")
    await town.stack.run("recover", "ingest")  # twice is once
    await town.stack.let_go("ingest")
    sender = Agencies(mine.agencies.addresses, mine.agencies.kafka_units, mine.client)
    for package in (*lost, *more):
        await sender.send(package)  # again, under the same key: the doors know it, whichever it came through
    await mine.send(after)
    await share.settle()
    await town.stack.wait_ready()
    assert share.imbalances() == []
    assert share.disorder() == []
    assert share.answers() >= answers, "nobody's answer was taken back"
    await _every_package_has_its_verdict(share)


async def test_without_recovering_ingest_gives_out_its_numbers_twice(town: Town) -> None:
    share = the_share(town, "ingest forgotten")
    mine = share.town
    before, lost, more = (
        [each for each in one if each.unit not in mine.agencies.kafka_units][:FEW] for one in share.rounds[:3]
    )
    await mine.send(before)
    copy = await a_copy(town, "ingest")
    await mine.send(lost)
    await share.settle()
    await town.stack.hold("ingest")
    await copy.restore()
    await town.stack.let_go("ingest")
    await mine.send(more)
    numbers = {(str(delivery), 2) for package in more for delivery in package.deliveries}

    def twice() -> set[tuple[str, int]]:
        given = Counter((fact.delivery, fact.version) for fact in share.facts() if isinstance(fact, Received))
        return {key for key, count in given.items() if count > 1}

    await until(lambda: twice() >= numbers, seconds=60)

    def all_put_aside() -> bool:
        """Wait for them, so that they are in no other test's books."""
        letters = [each for each in share.facts() if isinstance(each, DeadLetter) and each.service == "validate"]
        return len(letters) >= len(numbers)

    await until(all_put_aside, seconds=60)
    assert any("received 2 times" in each for each in share.imbalances())


async def test_validate_keeps_the_verdicts_that_it_told(town: Town) -> None:
    share = the_share(town, "validate")
    mine = share.town
    before, lost, more, after = share.rounds
    await mine.send(before)
    await share.settle()
    copy = await a_copy(town, "validate")
    await mine.send(lost)
    await share.settle()
    told = await _judgements(town, share)
    async with mine.sending(more):
        await town.stack.hold("validate")
        await copy.restore()
        await town.stack.run("recover", "validate")
        await town.stack.let_go("validate")
    await mine.send(after)
    await share.settle()
    assert share.disorder() == []
    kept = await _judgements(town, share)
    assert {key: kept[key] for key in told} == told, "release and instant of a told judgement are as they were"
    figures = town.reader.figures()
    newest = {fact.delivery: fact.version for fact in share.facts() if isinstance(fact, Judgement)}
    assert {delivery: figures[delivery] for delivery in newest} == newest


async def test_the_catalogue_reads_back_releases_tokens_extensions_and_what_it_told(town: Town, tmp_path: Path) -> None:
    share = the_share(town, "catalogue")
    mine = share.town
    extended = the_share(town, "never sent").reserved
    withdrawn, kept = await a_token(town, "withdrawn"), await a_token(town, "kept")
    release = await release_at(town)
    copy = await a_copy(town, "catalogue")
    await mine.send(share.rounds[0])
    await grant(town, extended, days=40)
    await town.stack.run("catalogue", "token", "revoke", "--token", withdrawn)
    issued = await a_token(town, "issued")
    await town.stack.run("catalogue", "load", str(a_changed_sample(tmp_path / "one", "một")))
    await advance_past(town, next_deadline(town, await business_now(town)))
    await share.settle()
    await until(lambda: _told(share, "passed"), seconds=60)
    told = share.deadlines()
    await town.stack.hold("catalogue")
    await copy.restore()
    await town.stack.run("recover", "catalogue")
    await town.stack.let_go("catalogue")
    await town.stack.wait_ready()
    assert await release_at(town) == release + 1, "the release was read back"
    assert [await status_of(town, token) for token in (withdrawn, kept, issued)] == [401, 200, 200]
    await grant(town, extended, days=50)
    date = await due_at(town, "catalogue", extended)

    async def everybody_has_it() -> bool:
        return await due_at(town, "ingest", extended) == date

    await until(everybody_has_it, seconds=30)
    await town.stack.run("catalogue", "load", str(a_changed_sample(tmp_path / "two", "hai")))

    async def next_release() -> bool:
        return await release_at(town, "ingest") == release + 2

    await until(next_release, seconds=30)
    await mine.send(share.rounds[1])
    await share.settle()
    assert share.deadlines() >= told
    assert max(share.deadlines().values()) == 1, "each (delivery, date, kind) once"
    assert _met(share) == share.deliveries


async def test_notify_tells_nobody_twice(town: Town) -> None:
    share = the_share(town, "never sent")
    already = len(await mails_in(town))
    copy = await a_copy(town, "notify")
    await pass_instants_and_see_their_mails(share, 2)
    await until_recorded(share, already)
    await town.stack.hold("notify")
    await copy.restore()
    await town.stack.run("recover", "notify")
    await town.stack.let_go("notify")
    await pass_instants_and_see_their_mails(share, 1)
    told = await told_by_mail(town, already)
    assert told
    assert [key for key, count in told.items() if count > 1] == []


async def _every_package_has_its_verdict(share: Share) -> None:
    """The doors answer for every package, also those that were read back."""
    town = share.town
    ids = {fact.package_id for fact in share.facts() if isinstance(fact, Received)}
    headers = bearer(town.agencies.addresses.role_tokens["statistician"])

    async def all_judged() -> bool:
        for package_id in sorted(ids):
            answer = await town.client.get(f"{town.stack.addresses.ingest}/v1/packages/{package_id}", headers=headers)
            if answer.status_code != 200 or answer.json()["verdict"] is None:
                return False
        return True

    await until(all_judged, seconds=30, every=0.5)


async def _judgements(town: Town, share: Share) -> dict[tuple[str, int], tuple[str, int, datetime]]:
    """Return what validate's database says of this share: verdict, release and instant of each first judgement."""
    connection = await asyncpg.connect(town.stack.addresses.database_url.replace("+asyncpg", "", 1))
    try:
        rows = await connection.fetch(
            "select result->>'delivery_id' as delivery, version, verdict, (result->>'release')::int as release,"
            " judged_at from validate.judgements where judgement = 1"
        )
    finally:
        await connection.close()
    return {
        (row["delivery"], row["version"]): (row["verdict"], row["release"], row["judged_at"])
        for row in rows
        if row["delivery"] in share.deliveries
    }


def _told(share: Share, change: str) -> bool:
    return any(kind == change for _, _, kind in share.deadlines())


def _met(share: Share) -> set[str]:
    return {delivery for delivery, _, kind in share.deadlines() if kind == "met"} & share.deliveries
