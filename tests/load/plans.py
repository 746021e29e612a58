"""Which tables the statements read from end to end: the statements themselves are caught as they are executed."""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

EXPLAINED = ("select", "insert", "update", "delete", "with")


@dataclass
class Caught:
    """Statements with the values of their first execution, once each."""

    statements: dict[str, Sequence[Any]] = field(default_factory=dict)


@asynccontextmanager
async def catching(engine: AsyncEngine) -> AsyncIterator[Caught]:
    """Catch every statement that the engine sends to the database."""
    caught = Caught()

    def catch(_con: Any, _cursor: Any, statement: str, values: Any, *_context: Any) -> None:
        if statement.lstrip().lower().startswith(EXPLAINED):
            caught.statements.setdefault(statement, values[0] if isinstance(values, list) else values)

    event.listen(engine.sync_engine, "before_cursor_execute", catch)
    try:
        yield caught
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", catch)


async def read_whole(url: str, caught: Caught) -> dict[str, set[str]]:
    """Return the tables (`schema.table`) that PostgreSQL would read by a sequential scan, by statement."""
    connection = await asyncpg.connect(url.replace("+asyncpg", "", 1))
    found: dict[str, set[str]] = {}
    try:
        await connection.set_type_codec("jsonb", encoder=str, decoder=str, schema="pg_catalog")
        for statement, values in caught.statements.items():
            rows = await connection.fetch(f"explain (format json, verbose) {statement}", *values)
            scanned = set(_scanned(json.loads(rows[0][0])[0]["Plan"]))
            if scanned:
                found[statement] = scanned
    finally:
        await connection.close()
    return found


def _scanned(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan":
        yield f"{plan['Schema']}.{plan['Relation Name']}"
    for each in plan.get("Plans", ()):
        yield from _scanned(each)
