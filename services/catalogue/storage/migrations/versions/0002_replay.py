"""Dead letters may be replayed."""

from alembic import op

from shared.bus.migrations import add_replay_v2, drop_replay_v2

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = "catalogue"


def upgrade() -> None:
    """Make the column and the index."""
    add_replay_v2(op, SCHEMA)


def downgrade() -> None:
    """Undo it."""
    drop_replay_v2(op, SCHEMA)
