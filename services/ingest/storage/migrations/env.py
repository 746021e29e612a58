"""Alembic's entry point for the schema `ingest`."""

from services.ingest.storage.tables import metadata
from shared import migration_env

migration_env.run(metadata)
