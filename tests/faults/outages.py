"""Ways to take a part of a running stack away, each undone at the end."""

import asyncio
import contextlib
import resource
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg
import psutil

from deploy.embedded.account import as_user, database_account
from deploy.embedded.stack import Stack

Outage = Callable[[Stack, str], AbstractAsyncContextManager[None]]
LOOK_SECONDS = 0.02


@asynccontextmanager
async def killed(stack: Stack, name: str) -> AsyncIterator[None]:
    """The part is not there."""
    await stack.hold(name)
    try:
        yield
    finally:
        await stack.let_go(name)


@asynccontextmanager
async def frozen(stack: Stack, name: str) -> AsyncIterator[None]:
    """The part keeps its connections and does nothing (SIGSTOP)."""
    processes = list(_family(stack, name))
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def without_space(stack: Stack, name: str) -> AsyncIterator[None]:
    """No process of the part may make a file longer, nor may those that come in its place (RLIMIT_FSIZE)."""

    limited: set[psutil.Process] = set()

    async def limit() -> None:
        while True:
            for process in set(_family(stack, name)) - limited:
                _limit(process, 1)
                limited.add(process)
            await asyncio.sleep(LOOK_SECONDS)

    limiting = asyncio.create_task(limit())
    try:
        yield
    finally:
        limiting.cancel()
        await asyncio.gather(limiting, return_exceptions=True)
        for process in {*limited, *_family(stack, name)}:
            _limit(process, resource.RLIM_INFINITY)


@asynccontextmanager
async def read_only(stack: Stack, name: str) -> AsyncIterator[None]:
    """The database takes no writes, as a standby does that is not promoted yet."""
    connection = await asyncpg.connect(stack.addresses.database_url.replace("+asyncpg", "", 1))
    try:
        await connection.execute("alter system set default_transaction_read_only = on")
        await connection.execute("select pg_reload_conf()")
        yield
    finally:
        await connection.execute("alter system reset default_transaction_read_only")
        await connection.execute("select pg_reload_conf()")
        await connection.close()


def _family(stack: Stack, name: str) -> Iterator[psutil.Process]:
    pid = stack.part(name).pid
    if pid is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            yield process
            yield from process.children(recursive=True)


def _limit(process: psutil.Process, size: int) -> None:
    """Set how long a file the process may write. A process of another account is limited by that account's own tool."""
    try:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    except ProcessLookupError:
        return
    except PermissionError:
        subprocess.run(
            ["prlimit", "--pid", str(process.pid), f"--fsize={'unlimited' if size < 0 else size}:unlimited"],
            check=False,
            capture_output=True,
            **as_user(database_account()),
        )
