"""The catalogue's tables: entities, releases, tokens, deliveries."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared.bus.migrations import create_bus_tables_v1, drop_bus_tables_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    create_bus_tables_v1(op, "catalogue")
    op.create_table(
        "contacts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
        schema="catalogue",
    )
    op.create_table(
        "deadline_events",
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("deadline_version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "unit", "form", "period", "status", "deadline_version", "type", name=op.f("pk_deadline_events")
        ),
        schema="catalogue",
    )
    op.create_table(
        "deliveries",
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
        sa.Column("last_month", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("deadline_version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("due_rule", sa.Text(), nullable=False),
        sa.Column("shift", sa.Text(), nullable=False),
        sa.Column("open_days_before", sa.Integer(), nullable=False),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("extended", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("passed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("met_version", sa.Integer(), nullable=True),
        sa.Column("met_received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("unit", "form", "period", "status", name=op.f("pk_deliveries")),
        schema="catalogue",
    )
    op.create_index("deliveries_due", "deliveries", ["due_at"], unique=False, schema="catalogue")
    op.create_index(
        "deliveries_to_open",
        "deliveries",
        ["opens_at"],
        unique=False,
        schema="catalogue",
        postgresql_where=sa.text("state = 'planned'"),
    )
    op.create_index(
        "deliveries_to_pass",
        "deliveries",
        ["slot", "due_at"],
        unique=False,
        schema="catalogue",
        postgresql_where=sa.text(
            "passed_at IS NULL AND due_at IS NOT NULL AND met_version IS NULL AND closed_reason IS NULL"
        ),
    )
    op.create_table(
        "entities",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("retired_release", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "key", name=op.f("pk_entities")),
        schema="catalogue",
    )
    op.create_table(
        "extensions",
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("deadline_version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("document_number", sa.Text(), nullable=True),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("unit", "form", "period", "status", "deadline_version", name=op.f("pk_extensions")),
        schema="catalogue",
    )
    op.create_table(
        "plans",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
        schema="catalogue",
    )
    op.create_table(
        "publications",
        sa.Column("cluster_id", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("cluster_id", name=op.f("pk_publications")),
        schema="catalogue",
    )
    op.create_table(
        "releases",
        sa.Column("release", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entity_count", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("release", name=op.f("pk_releases")),
        schema="catalogue",
    )
    op.create_table(
        "tokens",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_tokens")),
        schema="catalogue",
    )
    op.create_table(
        "versions",
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received", sa.Boolean(), nullable=False),
        sa.Column("judgement", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("acceptable", sa.Boolean(), nullable=False),
        sa.Column(
            "explained_at", postgresql.ARRAY(sa.DateTime(timezone=True)), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.PrimaryKeyConstraint("unit", "form", "period", "status", "version", name=op.f("pk_versions")),
        schema="catalogue",
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("versions", schema="catalogue")
    op.drop_table("tokens", schema="catalogue")
    op.drop_table("releases", schema="catalogue")
    op.drop_table("publications", schema="catalogue")
    op.drop_table("plans", schema="catalogue")
    op.drop_table("extensions", schema="catalogue")
    op.drop_table("entities", schema="catalogue")
    op.drop_index(
        "deliveries_to_pass",
        table_name="deliveries",
        schema="catalogue",
        postgresql_where=sa.text(
            "passed_at IS NULL AND due_at IS NOT NULL AND met_version IS NULL AND closed_reason IS NULL"
        ),
    )
    op.drop_index(
        "deliveries_to_open", table_name="deliveries", schema="catalogue", postgresql_where=sa.text("state = 'planned'")
    )
    op.drop_index("deliveries_due", table_name="deliveries", schema="catalogue")
    op.drop_table("deliveries", schema="catalogue")
    op.drop_table("deadline_events", schema="catalogue")
    op.drop_table("contacts", schema="catalogue")
    drop_bus_tables_v1(op, "catalogue")
