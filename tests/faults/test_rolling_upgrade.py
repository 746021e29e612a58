"""Old and new version of a service work side by side, and a schema is changed under one that writes."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest
import pytest_asyncio
from alembic.config import Config
from alembic.script import ScriptDirectory
from confluent_kafka import Producer

from demo.mailbox import MailboxReader
from deploy.embedded.stack import DEFAULT_START
from shared import migration_env
from shared.database import alembic_config, migrate, upgrade
from tests.faults.newer import NEW_TYPE
from tests.parts import until
from tests.system.agencies import Package, packages
from tests.system.books import disorder
from tests.system.town import Town, a_second, a_town

pytestmark = pytest.mark.faults

PACKAGE_COUNT = 60
"""Less than a month's: some are owed still, and their units are told."""
HOUR = timedelta(hours=1)
UPGRADED = ("validate", "notify")
READERS = ("catalogue", "ingest", "notify")


@pytest_asyncio.fixture(scope="module")
async def town() -> AsyncIterator[Town]:
    async with a_town() as town:
        yield town


@pytest.mark.timeout(300)
async def test_old_and_new_work_side_by_side_and_the_books_balance(town: Town) -> None:
    """Old alone, both, new alone, and back: what is new is skipped by whoever does not know it, and counted."""
    sending = packages(town.sample, PACKAGE_COUNT, open_at=DEFAULT_START)
    third = PACKAGE_COUNT // 3
    await town.send(sending[:third])
    async with a_second("validate", town, command=newer("validate")), a_second("notify", town, command=newer("notify")):
        await town.send(sending[third : 2 * third])
        for service in UPGRADED:
            await town.stack.hold(service)
        await town.send(sending[2 * third :])
        await town.move_clock(first_end_of_what_is_owed(town, sending) + HOUR)  # somebody is late
        await until(lambda: asyncio.to_thread(told, town), seconds=90)
        for service in UPGRADED:
            await town.stack.let_go(service)
        await town.settle()
        written = await count(town, f"validate.outbox where headers->>'ce_type' = '{NEW_TYPE}'")
        assert 0 < written < sum(town.agencies.acknowledged.values()), "each version judged something"
        for reader in READERS:
            skipped = f"{reader}.inbox where outcome = 'skipped' and source = 'urn:lienthong:validate'"
            await all_are_counted(town, skipped, written)
            assert await count(town, f"{reader}.dead_letters") == 0
        metrics = (await town.client.get(f"{town.stack.addresses.catalogue}/metrics")).text
        assert (
            f'lienthong_bus_skipped_total{{group="catalogue.events",service="catalogue"}} {float(written)}' in metrics
        )
    assert town.imbalances() == []
    assert disorder(town.reader.facts()) == []
    mails = await asyncio.to_thread(told, town)
    assert max(mails.values()) == 1, [notice for notice, times in mails.items() if times > 1]


@pytest.mark.timeout(300)
async def test_a_type_that_this_version_does_not_know_is_rejected_at_an_agencys_door(town: Town) -> None:
    unit = min(town.agencies.kafka_units)
    headers = {"ce_specversion": "1.0", "ce_id": "unheard-of", "ce_source": "urn:test", "ce_type": NEW_TYPE}
    producer = Producer({"bootstrap.servers": town.stack.addresses.bootstrap_servers})
    producer.produce(
        f"agency.{unit}.submissions",
        value=b"{}",
        headers=[*((name, value.encode()) for name, value in headers.items()), ("content-type", b"application/json")],
    )
    await asyncio.to_thread(producer.flush, 10)
    await until(lambda: town.reader.answers_to(unit, "unheard-of") == Counter({"rejected": 1}), seconds=30)


@pytest.mark.timeout(300)
async def test_a_schema_grows_under_a_service_that_writes(town: Town, tmp_path: Path) -> None:
    """The old version works on the new schema: what was added has a default, or may be empty."""
    config = with_one_more(alembic_config("validate", town.stack.addresses.database_url), tmp_path)
    async with town.sending(packages(town.sample, PACKAGE_COUNT // 3, open_at=DEFAULT_START)) as sending:
        await asyncio.to_thread(upgrade, config)
        await sending
    await town.settle()
    assert await count(town, "validate.judgements where added_later = 'by default'") > 0
    assert town.imbalances() == []


async def test_a_migration_that_waits_for_a_table_holds_up_nobody_for_long(database_url: str, tmp_path: Path) -> None:
    await writers_go_on(database_url, tmp_path)


async def test_without_a_lock_timeout_everybody_waits_behind_the_migration(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration_env, "LOCK_TIMEOUT", "0")
    with pytest.raises(TimeoutError):
        await writers_go_on(database_url, tmp_path)


async def writers_go_on(url: str, folder: Path) -> None:
    """Migrate while somebody reads without end: writers must not wait until he has done."""
    await migrate(["validate"], url)
    config = with_one_more(alembic_config("validate", url), folder)
    reader, writer = await asyncpg.connect(plain(url)), await asyncpg.connect(plain(url))
    reading = reader.transaction()
    await reading.start()
    await reader.fetch("select * from validate.judgements")
    migrating = asyncio.create_task(asyncio.to_thread(upgrade, config))
    try:
        await until(
            lambda: writer.fetchval(
                "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            )
        )
        async with asyncio.timeout(6):
            await writer.execute("delete from validate.judgements")
        assert not migrating.done()
    finally:
        await reading.rollback()
        await migrating
        await reader.close()
        await writer.close()


def with_one_more(config: Config, folder: Path) -> Config:
    """Add a migration to a service's: a column with a default, and a table."""
    scripts = config.get_main_option("script_location")
    head = ScriptDirectory.from_config(config).get_current_head()
    (folder / "9999_later.py").write_text(
        f"""
import sqlalchemy as sa
from alembic import op

revision, down_revision = "9999_later", "{head}"


def upgrade():
    later = sa.Column("added_later", sa.Text, nullable=False, server_default="by default")
    op.add_column("judgements", later, schema="validate")
    op.create_table("later", sa.Column("id", sa.Integer, primary_key=True), schema="validate")
"""
    )
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", os.pathsep.join([f"{scripts}/versions", str(folder)]))
    return config


def first_end_of_what_is_owed(town: Town, sent: Sequence[Package]) -> datetime:
    done = {str(delivery) for package in sent for delivery in package.deliveries}
    return min(due.ends_at for due in town.sample.timetable.dues if due.delivery not in done)


def newer(service: str) -> list[str]:
    return [sys.executable, "-m", "tests.faults.newer", service]


def told(town: Town) -> Counter[tuple[str, str, str]]:
    """Count what the mailbox tells whom."""
    with httpx.Client(trust_env=False) as client:
        mails = MailboxReader(town.stack.addresses.mailbox or "", client).mails()
    return Counter((to, *step) for mail in mails for to in mail.to for step in mail.steps)


def plain(url: str) -> str:
    return url.replace("+asyncpg", "", 1)


async def count(town: Town, what: str) -> int:
    connection = await asyncpg.connect(plain(town.stack.addresses.database_url))
    try:
        return int(await connection.fetchval(f"select count(*) from {what}"))  # noqa: S608 -- from here
    finally:
        await connection.close()


async def all_are_counted(town: Town, what: str, wanted: int) -> None:
    async def counted() -> bool:
        return await count(town, what) == wanted

    await until(counted, seconds=30)
