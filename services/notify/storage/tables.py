"""The tables of the schema `notify`.

Instants are business time, but for `ready_at`, `next_attempt_at`, `claimed_until` and `recorded_at`: machine time.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.bus.tables import bus_tables
from shared.database import instant, schema_metadata

SERVICE = "notify"

metadata = schema_metadata(SERVICE)
bus = bus_tables(metadata)


# What notify knows of each delivery. `planned_with` is the policy that `next_reminder_at` was worked out with; null:
# something has changed since. `slot` is the unit's partition: reminders wait for its watermark.
deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("slot", SmallInteger, nullable=False),
    Column("deadline_version", Integer, nullable=False),
    instant("due_at", nullable=True),
    instant("waiting_from", nullable=True),
    instant("reopened_at", nullable=True),
    Column("received_version", Integer, nullable=False),
    instant("received_at", nullable=True),
    Column("met", Boolean, nullable=False),
    Column("closed", Text),
    Column("passed_version", Integer, nullable=False),
    instant("reminded_through", nullable=True),
    instant("next_reminder_at", nullable=True),
    Column("planned_with", Text),
    Column("planned_release", Integer),
    PrimaryKeyConstraint("delivery_id"),
)
Index(
    "deliveries_live",
    deliveries.c.unit,
    postgresql_where=text("due_at IS NOT NULL AND NOT met AND closed IS NULL"),
)
Index(
    "deliveries_next_reminder",
    deliveries.c.slot,
    deliveries.c.next_reminder_at,
    postgresql_where=text("next_reminder_at IS NOT NULL"),
)

# Occasions to tell somebody something. Each is taken up once: waiting → told, nobody (no contact) or skipped.
steps = Table(
    "steps",
    metadata,
    Column("delivery_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("occasion", Text, nullable=False),
    instant("at"),
    Column("deadline_version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    instant("ready_at"),
    instant("recorded_at", now=True),
    PrimaryKeyConstraint("delivery_id", "name"),
)
Index("steps_waiting", steps.c.unit, steps.c.ready_at, postgresql_where=text("state = 'waiting'"))

# Returned judgements, with what their mails tell of them.
returns = Table(
    "returns",
    metadata,
    Column("delivery_id", Text, nullable=False),
    Column("version", Integer, nullable=False, autoincrement=False),
    Column("judgement", Integer, nullable=False, autoincrement=False),
    instant("received_at"),
    Column("error_count", Integer, nullable=False),
    Column("errors", JSONB, nullable=False),
    PrimaryKeyConstraint("delivery_id", "version", "judgement"),
)

# The queue. A contact's address is in no table: it is looked up when the mail leaves.
mails = Table(
    "mails",
    metadata,
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("message_id", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("contact_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("occasion", Text, nullable=False),
    Column("subject", Text),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    instant("queued_at"),
    instant("done_at", nullable=True),
    Column("reason", Text),
    instant("next_attempt_at"),
    instant("claimed_until", nullable=True),
    instant("recorded_at", now=True),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("message_id"),
)
Index("mails_due", mails.c.next_attempt_at, mails.c.id, postgresql_where=text("state IN ('queued', 'sending')"))
Index("mails_contact", mails.c.contact_id)

# Who is told which step, in which mail. The key is promise 6: nobody is told twice.
notices = Table(
    "notices",
    metadata,
    Column("delivery_id", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("contact_id", Text, nullable=False),
    Column("mail_id", BigInteger, ForeignKey(mails.c.id), nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    PrimaryKeyConstraint("delivery_id", "step", "contact_id"),
)
Index("notices_mail", notices.c.mail_id)
