"""What was sent is found again."""

from alembic import op

from shared.bus.migrations import add_sweep_v3, drop_sweep_v3

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = "notify"


def upgrade() -> None:
    """Make the indexes."""
    add_sweep_v3(op, SCHEMA)


def downgrade() -> None:
    """Undo it."""
    drop_sweep_v3(op, SCHEMA)
