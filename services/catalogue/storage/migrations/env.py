"""Alembic's entry point for the schema `catalogue`."""

from services.catalogue.storage.tables import metadata
from shared import migration_env

migration_env.run(metadata)
