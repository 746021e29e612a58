"""Validate's tables: submissions as judged, judgements, accepted figures."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared.bus.migrations import create_bus_tables_v1, drop_bus_tables_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "validate"
DELIVERY = ("unit", "form", "period", "status")


def _delivery_columns() -> tuple[sa.Column[str], ...]:
    return tuple(sa.Column(name, sa.Text(), nullable=False) for name in DELIVERY)


def upgrade() -> None:
    """Make the tables."""
    create_bus_tables_v1(op, SCHEMA)
    op.create_table(
        "submissions",
        *_delivery_columns(),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint(*DELIVERY, "version", name=op.f("pk_submissions")),
        schema=SCHEMA,
    )
    op.create_table(
        "judgements",
        *_delivery_columns(),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("judgement", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("result", postgresql.JSONB(), nullable=False),
        sa.Column("warned", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("explained", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(*DELIVERY, "version", "judgement", name=op.f("pk_judgements")),
        schema=SCHEMA,
    )
    op.create_index("judgements_package", "judgements", ["package_id"], schema=SCHEMA)
    op.create_table(
        "figures",
        *_delivery_columns(),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("judgement", sa.Integer(), nullable=False),
        sa.Column("numbers", postgresql.JSONB(), nullable=False),
        sa.Column("accepted", postgresql.JSONB(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(*DELIVERY, name=op.f("pk_figures")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    """Undo it."""
    for table in ("figures", "judgements", "submissions"):
        op.drop_table(table, schema=SCHEMA)
    drop_bus_tables_v1(op, SCHEMA)
