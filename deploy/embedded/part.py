"""What the stack needs of anything that runs."""

from typing import Protocol


class Part(Protocol):
    """A broker, a database, a mail server or a service."""

    name: str

    @property
    def pid(self) -> int | None:
        """The process number while it runs."""

    @property
    def alive(self) -> bool:
        """Whether the process runs."""

    async def start(self) -> None:
        """Start it; parts return when they answer, services at once."""

    async def stop(self) -> None:
        """Ask it to end, kill it after its grace."""

    async def kill(self) -> None:
        """Kill it."""

    async def ended(self) -> int:
        """Wait until it ends; return its exit code."""
