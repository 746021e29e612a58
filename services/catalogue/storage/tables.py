"""The tables of the schema `catalogue`. Instants are business time, but for tokens and `recorded_at`."""

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.bus.tables import bus_tables
from shared.database import instant, schema_metadata

SERVICE = "catalogue"

metadata = schema_metadata(SERVICE)
bus = bus_tables(metadata)


entities = Table(
    "entities",
    metadata,
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    Column("release", Integer, nullable=False),  # that last changed it
    Column("retired_release", Integer),  # that took it out
    PrimaryKeyConstraint("kind", "key"),
)

releases = Table(
    "releases",
    metadata,
    Column("release", Integer, nullable=False, autoincrement=False),
    instant("published_at"),
    Column("entity_count", Integer, nullable=False),
    Column("note", Text, nullable=False),
    instant("recorded_at", now=True),
    PrimaryKeyConstraint("release"),
)

contacts = Table(
    "contacts",
    metadata,
    Column("id", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    PrimaryKeyConstraint("id"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("digest", Text, nullable=False),  # SHA-256 in hex; the token itself is stored nowhere
    Column("scopes", ARRAY(Text), nullable=False),
    Column("subject", Text, nullable=False),
    instant("expires_at", nullable=True),
    instant("issued_at", now=True),
    instant("revoked_at", nullable=True),
    PrimaryKeyConstraint("digest"),
)

# The Kafka clusters that the whole catalogue was written to.
publications = Table(
    "publications",
    metadata,
    Column("cluster_id", Text, nullable=False),
    instant("recorded_at", now=True),
    PrimaryKeyConstraint("cluster_id"),
)

_DELIVERY = ("unit", "form", "period", "status")


def _delivery_columns() -> tuple[Column[str], ...]:
    return tuple(Column(name, Text, nullable=False) for name in _DELIVERY)


deliveries = Table(
    "deliveries",
    metadata,
    *_delivery_columns(),
    Column("slot", SmallInteger, nullable=False),
    Column("last_month", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("deadline_version", Integer, nullable=False, server_default=text("1")),
    Column("due_rule", Text, nullable=False),  # frozen, with shift, when the delivery opens
    Column("shift", Text, nullable=False),
    Column("open_days_before", Integer, nullable=False),
    instant("opens_at"),
    instant("due_at", nullable=True),
    Column("extended", Boolean, nullable=False, server_default=text("false")),  # its date is a decision
    Column("release", Integer, nullable=False),
    instant("opened_at", nullable=True),
    instant("passed_at", nullable=True),
    Column("met_version", Integer),
    instant("met_received_at", nullable=True),
    Column("closed_reason", Text),
    PrimaryKeyConstraint(*_DELIVERY),
)
Index("deliveries_to_open", deliveries.c.opens_at, postgresql_where=text("state = 'planned'"))
Index(
    "deliveries_to_pass",
    deliveries.c.slot,
    deliveries.c.due_at,
    postgresql_where=text("passed_at IS NULL AND due_at IS NOT NULL AND met_version IS NULL AND closed_reason IS NULL"),
)
Index("deliveries_due", deliveries.c.due_at)

versions = Table(
    "versions",
    metadata,
    *_delivery_columns(),
    Column("version", Integer, nullable=False, autoincrement=False),
    instant("received_at"),
    Column("received", Boolean, nullable=False),  # false while only its verdict was read
    Column("judgement", Integer, nullable=False),  # the highest one read, 0 for none
    Column("verdict", Text),
    Column("acceptable", Boolean, nullable=False),  # whether any judgement was
    Column("explained_at", ARRAY(DateTime(timezone=True)), nullable=False, server_default=text("'{}'")),
    PrimaryKeyConstraint(*_DELIVERY, "version"),
)

# What was told: exactly one event a (delivery, deadline version, type).
deadline_events = Table(
    "deadline_events",
    metadata,
    *_delivery_columns(),
    Column("deadline_version", Integer, nullable=False, autoincrement=False),
    Column("type", Text, nullable=False),
    instant("time"),
    PrimaryKeyConstraint(*_DELIVERY, "deadline_version", "type"),
)

extensions = Table(
    "extensions",
    metadata,
    *_delivery_columns(),
    Column("deadline_version", Integer, nullable=False, autoincrement=False),
    instant("due_at"),
    instant("before", nullable=True),
    Column("reason", Text, nullable=False),
    Column("document_number", Text),
    Column("granted_by", Text, nullable=False),
    instant("granted_at"),
    PrimaryKeyConstraint(*_DELIVERY, "deadline_version"),
)

# One row: by which release, and on which business day, deliveries were planned last.
plans = Table(
    "plans",
    metadata,
    Column("id", SmallInteger, nullable=False, autoincrement=False),
    Column("release", Integer, nullable=False),
    Column("day", Date, nullable=False),
    PrimaryKeyConstraint("id"),
)
