"""Alembic's entry point for the schema `notify`."""

from services.notify.storage.tables import metadata
from shared import migration_env

migration_env.run(metadata)
