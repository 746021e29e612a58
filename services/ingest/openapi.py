"""Adds the bodies that the doors read by themselves to the OpenAPI description."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from shared.events.agency import ExplanationV1, PackageV1


def describe(app: FastAPI) -> None:
    """Put the schemas of a package and an explanation beside those that FastAPI finds."""
    found: Callable[[], dict[str, Any]] = app.openapi

    def whole() -> dict[str, Any]:
        description = found()
        _, schemas = models_json_schema(
            [(PackageV1, "validation"), (ExplanationV1, "validation")], ref_template="#/components/schemas/{model}"
        )
        components = description.setdefault("components", {}).setdefault("schemas", {})
        for name, schema in schemas.get("$defs", {}).items():
            components.setdefault(name, schema)
        return description

    app.openapi = whole  # type: ignore[method-assign]
