"""What the `env.py` of every service does: run its migrations in its own schema."""

import asyncio

from alembic import context
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

MIGRATION_LOCK = 0x6C69656E  # one migration at a time in a database, whatever the service

LOCK_TIMEOUT = "2s"
"""A migration that waits for a table makes everybody wait who comes after it: it gives up soon, and is tried again."""


def run(metadata: MetaData) -> None:
    """Run the migrations that Alembic asked for; versions are kept in the service's schema."""
    schema = metadata.schema
    if schema is None:
        raise ValueError("a service's metadata names its schema")

    def include_name(name: str | None, kind: str, _parents: object) -> bool:
        return name == schema if kind == "schema" else True

    def work(connection: Connection) -> None:
        connection.execute(text("select pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        connection.execute(text(f'create schema if not exists "{schema}"'))
        connection.execute(text("select set_config('lock_timeout', :timeout, false)"), {"timeout": LOCK_TIMEOUT})
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=metadata,
            include_schemas=True,
            include_name=include_name,
            version_table_schema=schema,
            compare_type=True,
            compare_server_default=True,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()

    async def main() -> None:
        engine = create_async_engine(context.config.get_main_option("sqlalchemy.url") or "", poolclass=NullPool)
        async with engine.connect() as connection:
            await connection.run_sync(work)
        await engine.dispose()

    asyncio.run(main())
