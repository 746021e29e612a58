"""Notify's tables: deliveries, steps, returned judgements, mails, notices."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from shared.bus.migrations import create_bus_tables_v1, drop_bus_tables_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "notify"


def _instant(name: str, *, nullable: bool = True, now: bool = False) -> sa.Column[object]:
    default = sa.func.now() if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def upgrade() -> None:
    """Make the tables."""
    create_bus_tables_v1(op, SCHEMA)
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
        sa.Column("deadline_version", sa.Integer(), nullable=False),
        _instant("due_at"),
        _instant("waiting_from"),
        _instant("reopened_at"),
        sa.Column("received_version", sa.Integer(), nullable=False),
        _instant("received_at"),
        sa.Column("met", sa.Boolean(), nullable=False),
        sa.Column("closed", sa.Text()),
        sa.Column("passed_version", sa.Integer(), nullable=False),
        _instant("reminded_through"),
        _instant("next_reminder_at"),
        sa.Column("planned_with", sa.Text()),
        sa.Column("planned_release", sa.Integer()),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_deliveries")),
        schema=SCHEMA,
    )
    op.create_index(
        "deliveries_live",
        "deliveries",
        ["unit"],
        schema=SCHEMA,
        postgresql_where=sa.text("due_at IS NOT NULL AND NOT met AND closed IS NULL"),
    )
    op.create_index(
        "deliveries_next_reminder",
        "deliveries",
        ["slot", "next_reminder_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("next_reminder_at IS NOT NULL"),
    )
    op.create_table(
        "steps",
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        _instant("at", nullable=False),
        sa.Column("deadline_version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        _instant("ready_at", nullable=False),
        _instant("recorded_at", nullable=False, now=True),
        sa.PrimaryKeyConstraint("delivery_id", "name", name=op.f("pk_steps")),
        schema=SCHEMA,
    )
    op.create_index(
        "steps_waiting",
        "steps",
        ["unit", "ready_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "returns",
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("judgement", sa.Integer(), nullable=False),
        _instant("received_at", nullable=False),
        sa.Column("error_count", sa.Integer(), nullable=False),
        sa.Column("errors", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", "version", "judgement", name=op.f("pk_returns")),
        schema=SCHEMA,
    )
    op.create_table(
        "mails",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _instant("queued_at", nullable=False),
        _instant("done_at"),
        sa.Column("reason", sa.Text()),
        _instant("next_attempt_at", nullable=False),
        _instant("claimed_until"),
        _instant("recorded_at", nullable=False, now=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
        sa.UniqueConstraint("message_id", name=op.f("uq_mails_message_id")),
        schema=SCHEMA,
    )
    op.create_index(
        "mails_due",
        "mails",
        ["next_attempt_at", "id"],
        schema=SCHEMA,
        postgresql_where=sa.text("state IN ('queued', 'sending')"),
    )
    op.create_index("mails_contact", "mails", ["contact_id"], schema=SCHEMA)
    op.create_table(
        "notices",
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("mail_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.ForeignKeyConstraint(["mail_id"], [f"{SCHEMA}.mails.id"], name=op.f("fk_notices_mail_id_mails")),
        sa.PrimaryKeyConstraint("delivery_id", "step", "contact_id", name=op.f("pk_notices")),
        schema=SCHEMA,
    )
    op.create_index("notices_mail", "notices", ["mail_id"], schema=SCHEMA)


def downgrade() -> None:
    """Drop the tables."""
    for table in ("notices", "mails", "returns", "steps", "deliveries"):
        op.drop_table(table, schema=SCHEMA)
    drop_bus_tables_v1(op, SCHEMA)
