"""The kit's tables in migrations. Each function is frozen once released: a change of a table is a new version here."""

from types import ModuleType

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy.dialects.postgresql import JSONB


def create_bus_tables_v1(op: Operations | ModuleType, schema: str) -> None:
    """Create inbox, outbox, dead_letters and watermarks in a service's schema; call it in its first migration."""

    def instant(name: str, *, nullable: bool = True, now: bool = False) -> sa.Column[object]:
        default = sa.func.now() if now else None
        return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)

    op.create_table(
        "inbox",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        instant("recorded_at", nullable=False, now=True),
        sa.PrimaryKeyConstraint("source", "id", name="inbox_pkey"),
        schema=schema,
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("slot", sa.SmallInteger, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value", sa.LargeBinary),
        sa.Column("headers", JSONB, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        instant("created_at", nullable=False, now=True),
        instant("sent_at"),
        sa.Column("cluster_id", sa.Text),
        sa.Column("sent_offset", sa.BigInteger),
        sa.Column("parked_reason", sa.Text),
        sa.PrimaryKeyConstraint("id", name="outbox_pkey"),
        schema=schema,
    )
    op.create_index(
        "outbox_unsent",
        "outbox",
        ["slot", "id"],
        schema=schema,
        postgresql_where=sa.text("sent_at IS NULL AND parked_reason IS NULL"),
    )
    op.create_index(
        "outbox_parked", "outbox", ["id"], schema=schema, postgresql_where=sa.text("parked_reason IS NOT NULL")
    )
    op.create_index("outbox_partition", "outbox", ["topic", "partition", "id"], schema=schema)
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("cluster_id", sa.Text, nullable=False),
        sa.Column("consumer_group", sa.Text, nullable=False),
        sa.Column("key", sa.LargeBinary),
        sa.Column("value", sa.LargeBinary),
        sa.Column("headers", JSONB, nullable=False),
        instant("timestamp", nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        instant("first_seen", nullable=False, now=True),
        instant("last_seen", nullable=False, now=True),
        sa.Column("count", sa.Integer, nullable=False, server_default=sa.text("1")),
        sa.Column("outcome", sa.Text, nullable=False),
        instant("replay_requested_at"),
        sa.PrimaryKeyConstraint("id", name="dead_letters_pkey"),
        sa.UniqueConstraint(
            "cluster_id", "topic", "partition", "offset", "consumer_group", name="dead_letters_message"
        ),
        schema=schema,
    )
    op.create_table(
        "watermarks",
        sa.Column("partition", sa.Integer, nullable=False, autoincrement=False),
        instant("at", nullable=False),
        instant("updated_at", nullable=False, now=True),
        sa.PrimaryKeyConstraint("partition", name="watermarks_pkey"),
        schema=schema,
    )


def add_replay_v2(op: Operations | ModuleType, schema: str) -> None:
    """Let dead letters be replayed: when that was done, and an index of those that wait for it."""
    op.add_column("dead_letters", sa.Column("replayed_at", sa.DateTime(timezone=True)), schema=schema)
    op.create_index(
        "dead_letters_replay",
        "dead_letters",
        ["id"],
        schema=schema,
        postgresql_where=sa.text("replay_requested_at IS NOT NULL AND replayed_at IS NULL"),
    )


def drop_replay_v2(op: Operations | ModuleType, schema: str) -> None:
    """Undo `add_replay_v2`."""
    op.drop_index("dead_letters_replay", "dead_letters", schema=schema)
    op.drop_column("dead_letters", "replayed_at", schema=schema)


def add_sweep_v3(op: Operations | ModuleType, schema: str) -> None:
    """Find what was sent, by slot and place; find old inbox rows."""
    op.create_index(
        "outbox_sent",
        "outbox",
        ["slot", "cluster_id", "topic", "partition", "sent_offset"],
        schema=schema,
        postgresql_where=sa.text("sent_at IS NOT NULL"),
    )
    op.create_index("inbox_recorded", "inbox", ["recorded_at"], schema=schema)


def drop_sweep_v3(op: Operations | ModuleType, schema: str) -> None:
    """Undo `add_sweep_v3`."""
    op.drop_index("inbox_recorded", "inbox", schema=schema)
    op.drop_index("outbox_sent", "outbox", schema=schema)


def drop_bus_tables_v1(op: Operations | ModuleType, schema: str) -> None:
    """Undo `create_bus_tables_v1`."""
    for table in ("watermarks", "dead_letters", "outbox", "inbox"):
        op.drop_table(table, schema=schema)
