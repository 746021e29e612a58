"""Catalogue releases while everything runs: a small change each time, loaded as an operator would load it."""

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.embedded.addresses import for_asyncpg
from deploy.embedded.child import Record

SECONDS_MAX = 120.0
POLL_SECONDS = 0.02
COMMAND = (sys.executable, "-m", "services.cli")


class Releases:
    """A copy of the sample's folder, changed before each release: the title of a form, the name of a contact."""

    def __init__(self, data: Path, sample: Path, environment: Mapping[str, str]) -> None:
        """`environment` is what the command finds besides the addresses of the stack, which is up."""
        self._data = data
        # Read once: while the stack is down it takes the file away.
        addresses = json.loads((data / "addresses.json").read_text("utf-8"))
        environment = {
            "LIENTHONG_BOOTSTRAP_SERVERS": addresses["bootstrap_servers"],
            "LIENTHONG_DATABASE_URL": for_asyncpg(addresses["database_url"]),
            "LIENTHONG_CLOCK": str((data / "clock").absolute()),
            "LIENTHONG_SIMULATED": "1",
            **environment,
        }
        self._sample = sample
        self._folder = data / "catalogue"
        self._environment = environment
        self._count = 0
        self.process: subprocess.Popen[bytes] | None = None

    def change(self) -> None:
        """Change the folder, so that loading it makes a release."""
        self._count += 1
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.copytree(self._sample, self._folder, ignore=shutil.ignore_patterns("history", "figures", "*.py"))
        for file, column in (("forms.csv", "title_en"), ("contacts.csv", "name")):
            self._change_first_row(self._folder / file, column)

    def start(self) -> None:
        """Begin to load the folder."""
        environment = {**os.environ, **self._environment}
        with (self._data / "logs" / "catalogue-load.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 -- our own command
                [*COMMAND, "catalogue", "load", str(self._folder)], env=environment, stdout=log, stderr=log
            )
        Record.of(self.process.pid).write(self._data / "run" / "catalogue-load.pid")

    def until(self, condition: Callable[[], bool]) -> bool:
        """Wait until a condition holds, or the command has ended without it; return whether it holds."""
        while not condition():
            if self.process is None or self.process.poll() is not None:
                return condition()
            time.sleep(POLL_SECONDS)
        return True

    def end(self) -> int:
        """Wait for the command; return its exit code. Raises subprocess.TimeoutExpired, after killing it."""
        if self.process is None:
            raise RuntimeError("no release was begun")
        try:
            return self.process.wait(SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def _change_first_row(self, path: Path, column: str) -> None:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names, rows = list(reader.fieldnames or ()), list(reader)
        rows[0][column] += f" ({self._count})"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)
