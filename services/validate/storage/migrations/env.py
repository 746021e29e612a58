"""Alembic's entry point for the schema `validate`."""

from services.validate.storage.tables import metadata
from shared import migration_env

migration_env.run(metadata)
