"""What every service's recovery needs: the restored database, the past of the topics, and words for the operator.

A database was restored from a copy while the broker went on: consumer groups stand ahead of it, and it knows nothing of
what it published after the copy. Recovering reads that back from the service's own topics, then sets the groups back.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiokafka import TopicPartition
from sqlalchemy import func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from shared.bus.inbox import Identity, Outcome
from shared.bus.past import Past
from shared.bus.rewind import Copied, rewind, wait_for_empty_groups
from shared.bus.tables import BusTables
from shared.bus.topics import TOPICS
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.bus.work import Work
from shared.clock import clock_from
from shared.database import make_engine
from shared.settings import CommonSettings
from shared.text import Text

IDENTITIES_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Reached:
    """Where things stand: the settings, the topics' past, the cluster that answers, and when the copy was taken."""

    settings: CommonSettings
    past: Past
    cluster_id: str
    copied: Copied | None


@dataclass
class Findings:
    """What recovering did, and what is left for a person."""

    done: list[Text] = field(default_factory=list)
    left: list[Text] = field(default_factory=list)


Adopt = Callable[[Work[None], Reached, Findings], Awaitable[None]]
"""Brings the database up to what the service published after the copy; called in one transaction, may come again."""
Positions = Callable[[AsyncSession, str], Awaitable[Mapping[tuple[str, int], int]]]
"""Returns by (topic, partition) the offsets on a cluster up to which the database itself knows that it has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How one service recovers. `groups`: the pattern of the topics that each of its consumer groups reads.

    `from_positions`: groups of which only `positions` say where they stood, as no inbox remembers what they read; a
    partition that has none is read from its beginning.
    """

    service: str
    tables: BusTables
    groups: Mapping[str, str]
    adopt: Adopt
    positions: Positions | None = None
    from_positions: frozenset[str] = frozenset()


async def copy_instant(session: AsyncSession, tables: BusTables) -> datetime | None:
    """Return when the copy was taken, as far as its inbox shows: the last event taken in; None for an empty inbox.

    Recovering adds no row that is newer, so that a second run after a broken one finds the same instant.
    """
    newest: datetime | None = await session.scalar(select(func.max(tables.inbox.c.recorded_at)))
    return newest


async def note_handled(session: AsyncSession, tables: BusTables, events: Sequence[Identity], reached: Reached) -> None:
    """Let the inbox know events whose effects were read back, as if they had been taken in at the copy."""
    if events:
        at = reached.copied.at if reached.copied is not None else datetime.fromtimestamp(0, UTC)
        rows = [{**each._asdict(), "outcome": Outcome.HANDLED.value, "recorded_at": at} for each in events]
        await session.execute(insert(tables.inbox).on_conflict_do_nothing(), rows)


async def recover(recovery: Recovery, settings: CommonSettings, copied_at: datetime | None = None) -> Findings:
    """Recover a service that does not run; may be repeated. `copied_at`: when the copy was taken, if a person knows.

    Raises GroupInUseError while the service runs, KafkaError or a database error when broker or database do not answer.
    """
    findings = Findings()
    async with AsyncExitStack() as stack:
        await wait_for_empty_groups(settings.bootstrap_servers, recovery.groups)
        # Topics are read within the transaction, which may take minutes; no other is there to be held up.
        engine = make_engine(settings.database_url, recovery.service, pool_size=2, idle_transaction_seconds=0)
        stack.push_async_callback(engine.dispose)
        units_of_work: UnitOfWorkFactory[None] = UnitOfWorkFactory.of(
            engine,
            service=recovery.service,
            tables=recovery.tables,
            clock=clock_from(settings.clock, simulated=settings.simulated),
            context=lambda: None,
        )
        async with units_of_work.sessions() as session:
            at = copied_at or await copy_instant(session, recovery.tables)
        copied = None if at is None else Copied(at)
        past = Past(settings.bootstrap_servers, None if copied is None else copied.since)
        reached = Reached(settings, past, await past.cluster_id(), copied)
        async with units_of_work.begin() as work:
            work.cluster_id = reached.cluster_id
            await recovery.adopt(work, reached, findings)
        await _rewind(recovery, reached, units_of_work.sessions, findings)
    return findings


async def _rewind(
    recovery: Recovery, reached: Reached, sessions: async_sessionmaker[AsyncSession], findings: Findings
) -> None:
    async def known(identities: Sequence[Identity]) -> set[Identity]:
        inbox = recovery.tables.inbox.c
        found: set[Identity] = set()
        for start in range(0, len(identities), IDENTITIES_AT_ONCE):
            wanted = tuple_(inbox.source, inbox.id).in_(identities[start : start + IDENTITIES_AT_ONCE])
            async with sessions() as session:
                found |= {Identity(*row) for row in await session.execute(select(inbox.source, inbox.id).where(wanted))}
        return found

    positions: dict[TopicPartition, int] = {}
    if recovery.positions is not None:
        async with sessions() as session:
            stored = await recovery.positions(session, reached.cluster_id)
        positions = {TopicPartition(*place): offset for place, offset in stored.items()}
    for group, pattern in recovery.groups.items():
        partitions = await reached.past.partitions(pattern)
        from_positions = group in recovery.from_positions
        moved = await rewind(
            reached.settings.bootstrap_servers,
            group,
            partitions,
            None if from_positions else reached.copied,
            known=known,
            topics=TOPICS,
            positions=positions,
        )
        findings.done.append(
            Text(
                vi=f"Nhóm {group}: lùi {len(moved)} trên {len(partitions)} phân vùng về lúc sao lưu.",
                en=f"Group {group}: {len(moved)} of {len(partitions)} partitions set back to the copy.",
            )
        )
