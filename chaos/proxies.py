"""Toxiproxy between everything and the parts: connections are cut, slowed, half-opened."""

import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from chaos.plan import PARTS, Net
from deploy.embedded.ports import HOST, PortBook, free_port

PROGRAM = "toxiproxy-server"
HOW_TO_GET_IT = (
    "Toxiproxy is not there. Install Debian's package `toxiproxy`, or, with Go, "
    "`go install github.com/Shopify/toxiproxy/v2/cmd/server@latest`, and name the program with --toxiproxy."
)
PORT_NAMES = {"kafka": "broker", "postgres": "postgres", "smtp": "smtp"}
START_SECONDS_MAX = 10.0
POLL_SECONDS = 0.05
SLOW = {"latency": 400, "jitter": 300}  # ms, each way
TOXIC = "chaos"


class NoToxiproxyError(Exception):
    """The program is not there, or does not start."""


def find(named: Path | None) -> Path:
    """Return the program. Raises NoToxiproxyError, saying how to get it."""
    found = named if named is not None else shutil.which(PROGRAM)
    if found is None or not Path(found).exists():
        raise NoToxiproxyError(HOW_TO_GET_IT)
    return Path(found)


class Proxies:
    """A Toxiproxy with one proxy before each part of the stack in `data`, whose folder must be empty at first."""

    def __init__(self, program: Path, data: Path) -> None:
        self._data = data
        self._log = data / "toxiproxy.log"
        self._port = free_port()
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx.Client(base_url=f"http://{HOST}:{self._port}", trust_env=False)
        self.fronts: Mapping[str, int] = {}

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            arguments = [str(self._program), "-host", HOST, "-port", str(self._port)]
            self._process = subprocess.Popen(arguments, stdout=log, stderr=log)  # noqa: S603 -- named by the operator
        self._wait()
        # Drawn before the stack draws them: it keeps what it finds.
        behind = {part: PortBook(self._data / part / "ports.json").port(PORT_NAMES[part]) for part in PARTS}
        taken = frozenset(behind.values())
        fronts: dict[str, int] = {}
        for part, port in behind.items():
            fronts[part] = free_port(taken | frozenset(fronts.values()))
            proxy = {"name": part, "listen": f"{HOST}:{fronts[part]}", "upstream": f"{HOST}:{port}", "enabled": True}
            self._client.post("/proxies", json=proxy).raise_for_status()
        self.fronts = fronts
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def harm(self, part: str, how: Net) -> None:
        """Cut, slow or half-open all connections to a part."""
        match how:
            case Net.CUT:
                self._enable(part, enabled=False)
            case Net.SLOWED:
                for stream in ("upstream", "downstream"):
                    self._poison(part, stream, "latency", SLOW)
            case Net.HALF_OPEN:
                # What the part says no longer comes through, and nobody is told so.
                self._poison(part, "downstream", "timeout", {"timeout": 0})

    def heal(self, part: str) -> None:
        """Let a part be reached as before; connections that were half open are closed."""
        self._enable(part, enabled=True)
        for toxic in self._client.get(f"/proxies/{part}/toxics").raise_for_status().json():
            self._client.delete(f"/proxies/{part}/toxics/{toxic['name']}").raise_for_status()

    def _enable(self, part: str, *, enabled: bool) -> None:
        self._client.post(f"/proxies/{part}", json={"enabled": enabled}).raise_for_status()

    def _poison(self, part: str, stream: str, kind: str, attributes: Mapping[str, int]) -> None:
        toxic = {"name": f"{TOXIC}-{stream}", "type": kind, "stream": stream, "attributes": attributes}
        self._client.post(f"/proxies/{part}/toxics", json=toxic).raise_for_status()

    def _wait(self) -> None:
        until = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                self._client.get("/version").raise_for_status()
            except httpx.HTTPError:
                ended = self._process is None or self._process.poll() is not None
                if ended or time.monotonic() > until:
                    raise NoToxiproxyError(f"{self._program} does not start; see {self._log}") from None
                time.sleep(POLL_SECONDS)
            else:
                return
