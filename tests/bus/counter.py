"""A small service on the bus kit, wired as an `app.py` wires one; tests change a part and see what it was for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import BigInteger, Column, Identity, Integer, MetaData, Table, Text, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.schema import CreateSchema

from shared.bus import Handlers, Parts, RelayWakeup, ServiceBus, UnitOfWorkFactory, Work, bus_tables
from shared.bus.guard import Guard
from shared.bus.outbox import PostgresOutbox
from shared.bus.subscription import BATCH_RECORDS_MAX, PARTITION_BYTES_MAX
from shared.bus.tables import BusTables
from shared.bus.topics import TopicTable
from shared.clock import RealClock
from shared.database import make_engine
from shared.events.base import Event
from shared.events.submissions import WatermarkV1
from shared.vital import OnLoss
from tests.bus.events import CountedV1, EchoedV1, topic_table

SERVICE = "counter"
METADATA = MetaData(schema=SERVICE)
BUS: BusTables = bus_tables(METADATA)
EFFECTS = Table(
    "effects",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("unit", Text, nullable=False),
    Column("number", Integer, nullable=False),
)
"""What the handler did, one row each time: twice the same number is an effect done twice."""


@dataclass
class Counter:
    """The service: it takes `CountedV1` in, writes an effect, and publishes `EchoedV1`."""

    engine: AsyncEngine
    bus: ServiceBus[None]
    units_of_work: UnitOfWorkFactory[None]
    topics: TopicTable
    prefix: str
    handlers: Handlers[None]
    watermarks_believed: list[bool] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)
    before_effect: Callable[[Event[CountedV1]], None] | None = None

    async def count(self, unit: str, *numbers: int) -> None:
        """Publish numbers for a unit, in one transaction."""
        async with self.units_of_work.begin(units=[unit]) as work:
            for number in numbers:
                work.publish(CountedV1(number=number), unit=unit)

    @property
    def outbox(self) -> PostgresOutbox:
        """The real outbox."""
        outbox = self.units_of_work.parts.outbox
        assert isinstance(outbox, PostgresOutbox)
        return outbox

    def topic(self, name: str) -> str:
        """Return the full name of one of the test's topics."""
        return f"{self.prefix}.{name}"

    async def effects(self) -> list[tuple[str, int]]:
        """Return what was done, in order."""
        async with self.engine.connect() as connection:
            rows = await connection.execute(select(EFFECTS.c.unit, EFFECTS.c.number).order_by(EFFECTS.c.id))
            return [(row.unit, row.number) for row in rows]

    async def numbers(self, unit: str) -> list[int]:
        """Return the numbers done for a unit, in order."""
        return [number for each, number in await self.effects() if each == unit]

    async def rows(self, table: Table) -> list[dict[str, object]]:
        """Return all rows of a table."""
        async with self.engine.connect() as connection:
            return [dict(row._mapping) for row in await connection.execute(select(table))]

    async def stop(self) -> None:
        """Stop and close."""
        await self.bus.stop()
        await self.engine.dispose()


async def create_schema(database_url: str) -> None:
    """Make the service's tables."""
    engine = make_engine(database_url, SERVICE)
    async with engine.begin() as connection:
        await connection.execute(CreateSchema(SERVICE, if_not_exists=True))
        await connection.run_sync(METADATA.create_all)
    await engine.dispose()


def make_counter(
    bootstrap_servers: str,
    database_url: str,
    prefix: str,
    *,
    change: Callable[[Parts], Parts] = replace,
    guard: Guard | None = None,
    hold_seconds: float = 0.1,
    pattern: str | None = None,
    deduplicate: bool = True,
    consume: bool = True,
    records_max: int = BATCH_RECORDS_MAX,
    partition_bytes_max: int = PARTITION_BYTES_MAX,
    on_loss: OnLoss | None = None,
) -> Counter:
    """Wire the service. `change` replaces parts."""
    engine = make_engine(database_url, SERVICE)
    topics = topic_table(prefix)
    units_of_work = UnitOfWorkFactory[None](
        sessions=async_sessionmaker[AsyncSession](engine, expire_on_commit=False),
        service=SERVICE,
        clock=RealClock(),
        context=lambda: None,
        parts=change(Parts.of(SERVICE, BUS, topics)),
        wakeup=RelayWakeup(),
        topics=topics,
    )
    bus = ServiceBus(bootstrap_servers, engine=engine, outbox=BUS.outbox, units_of_work=units_of_work, on_loss=on_loss)
    handlers = Handlers[None](SERVICE)
    counter = Counter(engine, bus, units_of_work, topics, prefix, handlers)

    @handlers.on(CountedV1)
    async def take(events: Sequence[Event[CountedV1]], work: Work[None]) -> None:
        counter.runs.append(len(events))
        for event in events:
            if counter.before_effect is not None:
                counter.before_effect(event)
            await work.session.execute(insert(EFFECTS).values(unit=event.unit, number=event.data.number))
            work.publish(EchoedV1(number=event.data.number), unit=event.unit, cause=event)

    @handlers.on(WatermarkV1)
    async def believe(events: Sequence[Event[WatermarkV1]], work: Work[None]) -> None:
        for event in events:
            partition = work.record_of(event).partition
            believed = await work.parts.watermarks.record(work.session, partition, event, work.parts.inbox)
            counter.watermarks_believed.append(believed)

    if consume:
        bus.consumer(
            f"{prefix}.group",
            handlers,
            topics=() if pattern else [f"{prefix}.counted"],
            pattern=pattern,
            guard=guard,
            deduplicate=deduplicate,
            hold_seconds=hold_seconds,
            records_max=records_max,
            partition_bytes_max=partition_bytes_max,
        )
    return counter
