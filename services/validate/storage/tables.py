"""The tables of the schema `validate`. Instants are business time, but for `recorded_at`."""

from sqlalchemy import Column, Index, Integer, PrimaryKeyConstraint, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.bus.tables import bus_tables
from shared.database import instant, schema_metadata

SERVICE = "validate"

metadata = schema_metadata(SERVICE)
bus = bus_tables(metadata)

DELIVERY = ("unit", "form", "period", "status")


def _delivery_columns() -> tuple[Column[str], ...]:
    return tuple(Column(name, Text, nullable=False) for name in DELIVERY)


# What was judged: the event's data, for judgements after the first.
submissions = Table(
    "submissions",
    metadata,
    *_delivery_columns(),
    Column("version", Integer, nullable=False, autoincrement=False),
    Column("package_id", Uuid, nullable=False),
    Column("body", JSONB, nullable=False),
    instant("recorded_at", now=True),
    PrimaryKeyConstraint(*DELIVERY, "version"),
)

# The primary key is the promise that a version has exactly one judgement 1.
judgements = Table(
    "judgements",
    metadata,
    *_delivery_columns(),
    Column("version", Integer, nullable=False, autoincrement=False),
    Column("judgement", Integer, nullable=False, autoincrement=False),
    Column("package_id", Uuid, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("result", JSONB, nullable=False),  # the event's data
    Column("warned", ARRAY(Text), nullable=False),  # rules whose warnings want an explanation
    Column("explained", ARRAY(Text), nullable=False),  # rules explained so far
    instant("judged_at"),
    PrimaryKeyConstraint(*DELIVERY, "version", "judgement"),
)
Index("judgements_package", judgements.c.package_id)

figures = Table(
    "figures",
    metadata,
    *_delivery_columns(),
    Column("version", Integer, nullable=False),
    Column("judgement", Integer, nullable=False),
    Column("numbers", JSONB, nullable=False),  # cell code → decimal as text
    Column("accepted", JSONB, nullable=False),  # the event's data
    instant("accepted_at"),
    PrimaryKeyConstraint(*DELIVERY),
)

# The Kafka clusters that have been given the accepted figures whole.
publications = Table(
    "publications",
    metadata,
    Column("cluster_id", Text, nullable=False),
    instant("recorded_at", now=True),
    PrimaryKeyConstraint("cluster_id"),
)
