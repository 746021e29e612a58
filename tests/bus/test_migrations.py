"""The kit's tables as migrations make them are those that the kit uses."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, MetaData, inspect
from sqlalchemy.schema import CreateSchema

from shared.bus.migrations import (
    add_replay_v2,
    add_sweep_v3,
    create_bus_tables_v1,
    drop_bus_tables_v1,
    drop_replay_v2,
    drop_sweep_v3,
)
from shared.bus.tables import bus_tables
from shared.database import make_engine

SCHEMA = "somebody"


def migrate(connection: Connection) -> list[object]:
    """Create the tables by migration and return how they differ from the kit's."""
    connection.execute(CreateSchema(SCHEMA))
    context = MigrationContext.configure(
        connection,
        opts={"include_schemas": True, "include_name": lambda name, kind, _: kind != "schema" or name == SCHEMA},
    )
    create_bus_tables_v1(Operations(context), SCHEMA)
    add_replay_v2(Operations(context), SCHEMA)
    add_sweep_v3(Operations(context), SCHEMA)
    metadata = MetaData(schema=SCHEMA)
    bus_tables(metadata)
    return list(compare_metadata(context, metadata))


def unmigrate(connection: Connection) -> list[str]:
    """Drop the tables by migration and return what is left."""
    operations = Operations(MigrationContext.configure(connection))
    drop_sweep_v3(operations, SCHEMA)
    drop_replay_v2(operations, SCHEMA)
    drop_bus_tables_v1(operations, SCHEMA)
    return inspect(connection).get_table_names(SCHEMA)


async def test_migrations_make_the_tables_that_the_kit_uses(database_url: str) -> None:
    engine = make_engine(database_url, SCHEMA)
    async with engine.begin() as connection:
        assert await connection.run_sync(migrate) == []
        assert await connection.run_sync(unmigrate) == []
    await engine.dispose()
