"""Arms failpoints: a folder for each process, a file in it for each place."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from chaos.plan import LOADER, PROCESSES
from shared.failpoints import HIT, VARIABLE, Action


class Failpoints:
    """The folders of all processes of one stack."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def make(self) -> None:
        """Make the folders, empty."""
        shutil.rmtree(self._folder, ignore_errors=True)
        for process in (*PROCESSES, LOADER):
            (self._folder / process).mkdir(parents=True)

    def environments(self) -> Mapping[str, Mapping[str, str]]:
        """Return what each process finds in its environment, by its name."""
        return {process: {VARIABLE: str(self._folder / process)} for process in (*PROCESSES, LOADER)}

    def arm(self, process: str, place: str, action: Action) -> None:
        """Arm a place: who reaches it first breaks."""
        armed = self._folder / process / place
        being_written = armed.with_name(f"{place}.new")
        being_written.write_text(action.value, "utf-8")
        being_written.rename(armed)  # whoever finds it finds it whole

    def was_hit(self, process: str, place: str) -> bool:
        """Whether the process has broken there."""
        return (self._folder / process / f"{place}{HIT}").exists()

    def disarm(self, process: str, place: str) -> None:
        """Take a place back to what it was."""
        (self._folder / process / place).unlink(missing_ok=True)
        (self._folder / process / f"{place}{HIT}").unlink(missing_ok=True)
