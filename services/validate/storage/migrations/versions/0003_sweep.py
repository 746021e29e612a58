"""What was sent is found again; a table of the clusters that have all figures."""

import sqlalchemy as sa
from alembic import op

from shared.bus.migrations import add_sweep_v3, drop_sweep_v3

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = "validate"


def upgrade() -> None:
    """Make the indexes and the table."""
    add_sweep_v3(op, SCHEMA)
    op.create_table(
        "publications",
        sa.Column("cluster_id", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("cluster_id", name=op.f("pk_publications")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    """Undo it."""
    op.drop_table("publications", schema=SCHEMA)
    drop_sweep_v3(op, SCHEMA)
