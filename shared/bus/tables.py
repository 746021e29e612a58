"""The four tables of the kit; each service has them in its own schema, beside its own tables."""

from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import instant


@dataclass(frozen=True, slots=True)
class BusTables:
    """The kit's tables in one service's schema."""

    inbox: Table
    outbox: Table
    dead_letters: Table
    watermarks: Table


def bus_tables(metadata: MetaData) -> BusTables:
    """Add the kit's tables to a service's metadata, in its schema. Call once a metadata.

    Instants are machine time, but for `watermarks.at`, which is business time.
    """
    return BusTables(
        inbox=_inbox(metadata),
        outbox=_outbox(metadata),
        dead_letters=_dead_letters(metadata),
        watermarks=_watermarks(metadata),
    )


def _inbox(metadata: MetaData) -> Table:
    """Remember what was taken in, once: the row is written in the transaction of the effect."""
    inbox = Table(
        "inbox",
        metadata,
        Column("source", Text, nullable=False),
        Column("id", Text, nullable=False),
        Column("outcome", Text, nullable=False),
        instant("recorded_at", now=True),
        PrimaryKeyConstraint("source", "id", name="inbox_pkey"),
    )
    Index("inbox_recorded", inbox.c.recorded_at)
    return inbox


def _outbox(metadata: MetaData) -> Table:
    """Hold what is to be published, written with its cause. `sent_offset` is set with `sent_at`."""
    outbox = Table(
        "outbox",
        metadata,
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("slot", SmallInteger, nullable=False),
        Column("topic", Text, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("key", Text, nullable=False),
        Column("value", LargeBinary),
        Column("headers", JSONB, nullable=False),
        Column("event_id", Text, nullable=False),
        instant("created_at", now=True),
        instant("sent_at", nullable=True),
        Column("cluster_id", Text),
        Column("sent_offset", BigInteger),
        Column("parked_reason", Text),
        PrimaryKeyConstraint("id", name="outbox_pkey"),
    )
    Index(
        "outbox_unsent",
        outbox.c.slot,
        outbox.c.id,
        postgresql_where=text("sent_at IS NULL AND parked_reason IS NULL"),
    )
    Index("outbox_parked", outbox.c.id, postgresql_where=text("parked_reason IS NOT NULL"))
    Index("outbox_partition", outbox.c.topic, outbox.c.partition, outbox.c.id)
    Index(
        "outbox_sent",
        outbox.c.slot,
        outbox.c.cluster_id,
        outbox.c.topic,
        outbox.c.partition,
        outbox.c.sent_offset,
        postgresql_where=text("sent_at IS NOT NULL"),
    )
    return outbox


def _dead_letters(metadata: MetaData) -> Table:
    """Hold what could not be processed, whole. Headers are `[[name, base64 or null], …]`: they may be no text."""
    letters = Table(
        "dead_letters",
        metadata,
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("topic", Text, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("offset", BigInteger, nullable=False),
        Column("cluster_id", Text, nullable=False),
        Column("consumer_group", Text, nullable=False),
        Column("key", LargeBinary),
        Column("value", LargeBinary),
        Column("headers", JSONB, nullable=False),
        instant("timestamp"),
        Column("reason", Text, nullable=False),
        Column("detail", Text, nullable=False),
        Column("sha256", Text, nullable=False),
        instant("first_seen", now=True),
        instant("last_seen", now=True),
        Column("count", Integer, nullable=False, server_default=text("1")),
        Column("outcome", Text, nullable=False),
        instant("replay_requested_at", nullable=True),
        instant("replayed_at", nullable=True),
        PrimaryKeyConstraint("id", name="dead_letters_pkey"),
        UniqueConstraint("cluster_id", "topic", "partition", "offset", "consumer_group", name="dead_letters_message"),
    )
    Index(
        "dead_letters_replay",
        letters.c.id,
        postgresql_where=text("replay_requested_at IS NOT NULL AND replayed_at IS NULL"),
    )
    return letters


def _watermarks(metadata: MetaData) -> Table:
    """Hold how far the doors have published, a row a partition of `submissions`. `at` is business time."""
    return Table(
        "watermarks",
        metadata,
        Column("partition", Integer, nullable=False, autoincrement=False),
        instant("at"),
        instant("updated_at", now=True),
        PrimaryKeyConstraint("partition", name="watermarks_pkey"),
    )
