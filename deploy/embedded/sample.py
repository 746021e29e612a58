"""Fill an empty catalogue with a sample: load, issue tokens, send the history; each step once, resumed after a kill."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg

from deploy.embedded.errors import EmbeddedError
from deploy.embedded.files import write_atomically

HISTORY_TRIES = 3  # it goes through the HTTP door, where a service may be restarting
CONNECT_SECONDS_MAX = 10.0

RunCommand = Callable[..., Awaitable[None]]
"""Runs `lienthong` with arguments; raises EmbeddedError when it fails."""


class Sample:
    """The steps that were taken for this data folder are kept in `setup.json`."""

    def __init__(self, data: Path, sample: Path, database_url: str, run: RunCommand) -> None:
        self._steps_file = data / "setup.json"
        self._tokens = data / "tokens.json"
        self._sample = sample
        self._database_url = database_url
        self._run = run

    @property
    def tokens(self) -> Path | None:
        """Return the file of the tokens that were issued here, if any were."""
        return self._tokens if self._tokens.exists() else None

    async def load(self) -> bool:
        """Load the catalogue and issue tokens where the catalogue is empty; return whether there was anything to do.

        Works whether or not the services are ready; their readiness waits for it. Raises EmbeddedError.
        """
        released = await has_release(self._database_url)
        steps = self._steps()
        if not released:
            steps = {}  # also when the database was emptied under a folder that had been set up
            self._note(steps | {"load": False})
            if not (self._sample / "units.csv").exists():
                raise EmbeddedError(
                    vi=f"Danh mục còn trống và không có dữ liệu mẫu ở {self._sample}. Hãy chỉ đường bằng --sample.",
                    en=f"The catalogue is empty and there is no sample at {self._sample}. Name one with --sample.",
                )
            await self._run("catalogue", "load", str(self._sample))
        elif "load" not in steps:
            return False  # somebody else's catalogue: nothing of ours to add
        self._note(steps := steps | {"load": True})
        if steps.get("tokens"):
            return not released
        await self._run("catalogue", "tokens", "--out", str(self._tokens))
        self._note(steps | {"tokens": True})
        return True

    async def send_history(self, ingest_url: str) -> bool:
        """Send the accepted history through ingest's HTTP door, once; return whether there was anything to do."""
        steps = self._steps()
        history = self._sample / "history"
        if not steps.get("tokens") or steps.get("history") or not history.is_dir():
            return False
        arguments = ["ingest", "history", str(history), "--ingest-url", ingest_url, "--tokens", str(self._tokens)]
        for left in reversed(range(HISTORY_TRIES)):
            try:
                await self._run(*arguments)
                break
            except EmbeddedError:
                if not left:
                    raise
        self._note(steps | {"history": True})
        return True

    def _steps(self) -> dict[str, bool]:
        if not self._steps_file.exists():
            return {}
        steps: dict[str, bool] = json.loads(self._steps_file.read_text(encoding="utf-8"))
        return steps

    def _note(self, steps: dict[str, bool]) -> None:
        write_atomically(self._steps_file, json.dumps(steps) + "\n")


async def has_release(database_url: str) -> bool:
    """Tell whether the catalogue in this database was ever released."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", "", 1), timeout=CONNECT_SECONDS_MAX)
    try:
        if await connection.fetchval("select to_regclass('catalogue.releases')") is None:
            return False
        return bool(await connection.fetchval("select exists (select from catalogue.releases)"))
    finally:
        await connection.close()
