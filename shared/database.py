"""PostgreSQL through SQLAlchemy: engines, and migrations by schema."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from alembic import command
from alembic.config import Config
from asyncpg.exceptions._base import InterfaceError as AsyncpgInterfaceError
from asyncpg.exceptions._base import PostgresError
from sqlalchemy import Column, DateTime, MetaData, func, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.logs import get_logger

NAMING_CONVENTION = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

MIGRATION_TRIES = 60
MIGRATION_PAUSE_SECONDS = 1.0
"""Between two tries, in which the writers that waited behind the migration have their turn."""
LOCK_NOT_AVAILABLE = "55P03"
TRANSIENT_SQLSTATE_CLASSES = ("08", "40", "53", "55", "57", "58", "XX")
"""Connection, rollback (deadlock, serialisation), resources, lock, operator, system, the server's own faults (also a
file that would grow too large): PostgreSQL, appendix A."""
TRANSIENT_SQLSTATES = ("25006", "25P03", "25P04", "42501")
"""Read-only (a standby, before it is promoted), a transaction that stood still too long, or lasted too long, and what
the server may not do (a disk that became read-only, a grant that is missing): never the fault of a message."""

IDLE_TRANSACTION_SECONDS = 45.0
"""Then the database ends the session: a frozen process must not keep its locks for ever. Longer than what a service
reckons between two statements, on a slow machine, too; shorter than others wait for a lock (60 s)."""
ANSWER_SECONDS_MAX = 2.0
"""Within which the database answers who asks whether it is there: less than they wait who ask for readiness."""

log = get_logger(__name__)


def schema_metadata(service: str) -> MetaData:
    """Return the metadata of a service's own schema."""
    return MetaData(schema=service, naming_convention=NAMING_CONVENTION)


def instant(name: str, *, nullable: bool = False, now: bool = False) -> Column[object]:
    """Return a column of instants, with time zone; `now`: when nothing is given, the transaction's beginning."""
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=func.now() if now else None)


def make_engine(
    url: str, service: str, pool_size: int = 8, idle_transaction_seconds: float = IDLE_TRANSACTION_SECONDS
) -> AsyncEngine:
    """Return an engine; connections name the service, and nobody waits for a lock or a statement without end."""
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        connect_args={
            "timeout": 10,
            "command_timeout": 60,
            "server_settings": {
                "application_name": f"lienthong-{service}",
                "timezone": "UTC",
                "idle_in_transaction_session_timeout": str(round(idle_transaction_seconds * 1000)),
            },
        },
    )


def is_transient(error: BaseException) -> bool:
    """Whether a database error says that the world is broken for the moment, not that the statement is wrong."""
    if isinstance(error, DBAPIError):
        if error.connection_invalidated or isinstance(error, InterfaceError):
            return True
        state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
        if state:
            return _passes(str(state))
        return isinstance(error, OperationalError)
    if isinstance(error, PostgresError):
        return _passes(str(getattr(error, "sqlstate", "")))
    return isinstance(error, OSError | TimeoutError | AsyncpgInterfaceError)


def _passes(sqlstate: str) -> bool:
    return sqlstate.startswith(TRANSIENT_SQLSTATE_CLASSES) or sqlstate in TRANSIENT_SQLSTATES


async def database_answers(engine: AsyncEngine) -> bool:
    """Whether the database answers a trivial query soon, and takes what is written."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX), engine.connect() as connection:
            return await connection.scalar(text("select not current_setting('transaction_read_only')::bool")) is True
    except (DBAPIError, OSError, TimeoutError, PostgresError, AsyncpgInterfaceError):
        return False


def alembic_config(service: str, url: str) -> Config:
    """Return Alembic's configuration of a service: its scripts, its schema."""
    config = Config()
    scripts = Path(__file__).parent.parent / "services" / service / "storage" / "migrations"
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    config.attributes["service"] = service
    return config


async def migrate(services: Sequence[str], url: str) -> None:
    """Bring the schemas of these services to their newest version, one after the other; see `upgrade`."""
    for service in services:
        await asyncio.to_thread(upgrade, alembic_config(service, url))


def upgrade(config: Config) -> None:
    """Bring a schema to its newest version while services use it.

    A migration that does not get its lock soon steps back, so that whoever waits behind it goes on, and is tried again.
    Raises DBAPIError when it has never got it.
    """
    for tries_left in reversed(range(MIGRATION_TRIES)):
        try:
            return command.upgrade(config, "head")
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE or not tries_left:
                raise
            log.warning("migration_waits", service=config.attributes["service"], tries_left=tries_left)
            time.sleep(MIGRATION_PAUSE_SECONDS)
    raise AssertionError("the last try returns or raises")
