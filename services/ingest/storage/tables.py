"""The tables of the schema `ingest`. Instants are business time, but for `sources` and `recorded_at`: machine time."""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.bus.tables import bus_tables
from shared.database import instant, schema_metadata

SERVICE = "ingest"

metadata = schema_metadata(SERVICE)
bus = bus_tables(metadata)


# What came through the agencies' door, once: the same (unit, source, id) with the same SHA-256 is the same thing.
# `answer_…` is what was published for it, byte for byte; null where the answer was given over HTTP.
arrivals = Table(
    "arrivals",
    metadata,
    Column("unit", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("package_id", Uuid, nullable=False),
    Column("answer_topic", Text),
    Column("answer_id", Text),
    Column("answer_headers", JSONB(none_as_null=True)),
    Column("answer_value", LargeBinary),
    instant("recorded_at", now=True),
    PrimaryKeyConstraint("unit", "source", "event_id"),
)

packages = Table(
    "packages",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("unit", Text, nullable=False),
    Column("form", Text),
    Column("document_number", Text),
    Column("channel", Text, nullable=False),
    Column("state", Text, nullable=False),  # received or rejected
    instant("received_at"),
    Column("release", Integer),
    Column("original", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("sender", Text),  # who held the token; null on Kafka, where the topic says it
    Column("answers", JSONB, nullable=False),  # the event that is answered
    Column("findings", JSONB, nullable=False),  # of a rejected package
    instant("recorded_at", now=True),
    PrimaryKeyConstraint("id"),
)
Index("packages_unit", packages.c.unit, packages.c.received_at)

submissions = Table(
    "submissions",
    metadata,
    Column("delivery_id", Text, nullable=False),
    Column("version", Integer, nullable=False, autoincrement=False),
    Column("package_id", Uuid, nullable=False),
    Column("position", SmallInteger, nullable=False),  # in its package
    instant("received_at"),
    Column("judgement", Integer),  # the last one known
    Column("verdict", Text),
    Column("findings", JSONB(none_as_null=True)),
    PrimaryKeyConstraint("delivery_id", "version"),
)
Index("submissions_package", submissions.c.package_id)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("form", Text, nullable=False),
    instant("opened_at"),
    instant("due_at", nullable=True),
    Column("deadline_version", Integer, nullable=False),
    Column("closed", Text),
    instant("closed_at", nullable=True),
    Column("version", Integer, nullable=False),  # the last one taken, 0 before the first
    PrimaryKeyConstraint("id"),
)
Index("deliveries_unit_form", deliveries.c.unit, deliveries.c.form)

explanations = Table(
    "explanations",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("delivery_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("package_id", Uuid, nullable=False),
    instant("explained_at"),
    Column("original", Text, nullable=False),
    Column("sender", Text),
    PrimaryKeyConstraint("id"),
)

# Where the watermark comes from. `at`: everything that this source received up to then is committed.
sources = Table(
    "sources",
    metadata,
    Column("id", Text, nullable=False),
    Column("kind", Text, nullable=False),  # http or kafka
    instant("at"),
    instant("expires_at", nullable=True),  # by the database's clock; of http sources alone
    PrimaryKeyConstraint("id"),
)

# How far each agency's partition is in the database; moved in the transaction of what was taken in.
progress = Table(
    "progress",
    metadata,
    Column("cluster_id", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    PrimaryKeyConstraint("cluster_id", "topic", "partition"),
)

# The last watermark that was published, one row.
published = Table(
    "published",
    metadata,
    Column("id", SmallInteger, nullable=False, autoincrement=False),
    instant("at"),
    PrimaryKeyConstraint("id"),
)
