"""One of the services as a child process."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path

import httpx

from deploy.embedded.child import Child, Command
from deploy.embedded.ports import HOST

# uvicorn lets requests end for 10 s, then the bus parts finish what is in their hands; after that a kill loses nothing.
STOP_SECONDS_MAX = 20.0
HEALTH_SECONDS_MAX = 5.0


class ServicePart:
    """A service's process; it is ready when it says so itself."""

    def __init__(
        self,
        name: str,
        *,
        port: int,
        command: Sequence[str],
        environment: Mapping[str, str | None],
        folder: Path,
        cwd: Path,
    ) -> None:
        """`folder`: the stack's data folder, where the log and the process's record lie."""
        self.name = name
        self.port = port
        environment = {**environment, "LIENTHONG_HTTP_HOST": HOST, "LIENTHONG_HTTP_PORT": str(port)}
        self.log = folder / "logs" / f"{name}.log"
        self._child = Child(
            Command(command, log=self.log, cwd=cwd, environment=environment), folder / "run" / f"{name}.pid"
        )

    @property
    def url(self) -> str:
        """Return the address of the service's HTTP side."""
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Return the process number while it runs."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Tell whether the process runs."""
        return self._child.alive

    async def start(self) -> None:
        """Start the process; it becomes ready in its own time."""
        self._child.start()

    async def stop(self) -> None:
        """Ask the service to end, kill it after 20 s."""
        await self._child.stop(STOP_SECONDS_MAX)

    async def kill(self) -> None:
        """Kill the service (SIGKILL)."""
        await self._child.kill()

    async def ended(self) -> int:
        """Wait until the process ends; return its exit code."""
        return await self._child.ended()

    async def missing(self, client: httpx.AsyncClient) -> str | None:
        """Return what keeps the service from being ready, None when it is ready."""
        if not self.alive:
            return "process"
        try:
            answer = await client.get(f"{self.url}/health/ready", timeout=HEALTH_SECONDS_MAX)
        except httpx.HTTPError:
            return "http"
        if answer.status_code == HTTPStatus.OK:
            return None
        return missing_checks(answer)


def missing_checks(answer: httpx.Response) -> str:
    """Name the checks that a `/health/ready` answer reports as failed."""
    try:
        checks = answer.json()["checks"]
        return ", ".join(name for name, good in checks.items() if not good) or str(answer.status_code)
    except (ValueError, KeyError, TypeError, AttributeError):
        return str(answer.status_code)
