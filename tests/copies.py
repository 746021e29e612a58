"""A copy of one service's schema, taken in one snapshot while it works, and put back as a restored backup would be."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

# ruff: noqa: S608 -- the names are our own schemas and tables


@dataclass(frozen=True)
class Copy:
    """Tables and sequences of a schema, kept in another schema of the same database."""

    url: str
    schema: str
    tables: Sequence[str]

    @property
    def kept(self) -> str:
        return f"copy_of_{self.schema}"

    async def restore(self) -> None:
        """Put everything back as it was; the service must not run. Its last connections are ended first."""
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = $1",
                f"lienthong-{self.schema}",
            )
            async with connection.transaction():
                await connection.execute("set local session_replication_role = replica")  # no foreign keys meanwhile
                await connection.execute("truncate " + ", ".join(f"{self.schema}.{table}" for table in self.tables))
                for table in self.tables:
                    await connection.execute(
                        f"insert into {self.schema}.{table} overriding system value select * from {self.kept}.{table}"
                    )
                for name, value in await connection.fetch(f"select name, value from {self.kept}.sequence_values"):
                    await connection.execute(
                        "select setval($1::text::regclass, coalesce($2, 1), $2 is not null)",
                        f"{self.schema}.{name}",
                        value,
                    )
        finally:
            await connection.close()


async def take_copy(database_url: str, schema: str) -> Copy:
    """Copy a service's schema as `pg_dump` would see it: all tables at one instant."""
    url = database_url.replace("+asyncpg", "", 1)
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read"):
            names = await connection.fetch("select tablename from pg_tables where schemaname = $1", schema)
            copy = Copy(url, schema, sorted(row["tablename"] for row in names))
            await connection.execute(f"drop schema if exists {copy.kept} cascade; create schema {copy.kept}")
            for table in copy.tables:
                await connection.execute(f"create table {copy.kept}.{table} as table {schema}.{table}")
            await connection.execute(
                f"create table {copy.kept}.sequence_values as"
                " select sequencename::text as name, last_value as value from pg_sequences"
                f" where schemaname = '{schema}'"
            )
    finally:
        await connection.close()
    return copy
