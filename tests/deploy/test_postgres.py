"""The embedded database: survives kills, keeps address and password, is not misled by its own lock file."""

import os
import signal
from pathlib import Path

import asyncpg
import psutil

from deploy.embedded.child import is_there
from deploy.embedded.postgres import EmbeddedPostgres
from tests.parts import until


async def connect(server: EmbeddedPostgres) -> asyncpg.Connection:
    connection: asyncpg.Connection = await asyncpg.connect(server.url.replace("+asyncpg", ""))
    return connection


async def keep(server: EmbeddedPostgres, value: int) -> None:
    connection = await connect(server)
    await connection.execute("create table if not exists kept (value int)")
    await connection.execute("insert into kept values ($1)", value)
    await connection.close()


async def kept(server: EmbeddedPostgres) -> list[int]:
    connection = await connect(server)
    rows = await connection.fetch("select value from kept order by value")
    await connection.close()
    return [row["value"] for row in rows]


async def test_what_was_committed_survives_a_kill_of_the_postmaster(own_postgres: EmbeddedPostgres) -> None:
    await keep(own_postgres, 1)
    before = own_postgres.url
    assert own_postgres.pid is not None
    os.kill(own_postgres.pid, signal.SIGKILL)
    await own_postgres.ended()
    await own_postgres.start()
    assert own_postgres.url == before
    assert await kept(own_postgres) == [1]


async def test_a_lock_file_with_the_number_of_a_stranger_does_not_stop_it(own_postgres: EmbeddedPostgres) -> None:
    await keep(own_postgres, 1)
    await own_postgres.kill()
    lock = own_postgres.folder / "data" / "postmaster.pid"
    lines = lock.read_text().splitlines()
    lock.write_text("\n".join([str(os.getppid()), *lines[1:]]) + "\n")
    again = EmbeddedPostgres(own_postgres.folder)
    await again.start()
    try:
        assert await kept(again) == [1]
    finally:
        await again.stop()


async def test_the_orphan_of_a_killed_run_is_ended_by_the_next_start(own_postgres: EmbeddedPostgres) -> None:
    await keep(own_postgres, 1)
    again = EmbeddedPostgres(own_postgres.folder)
    await again.start()
    try:
        assert not own_postgres.alive
        await keep(again, 2)
        assert await kept(again) == [1, 2]
    finally:
        await again.stop()


async def test_a_kill_leaves_no_server_process(own_postgres: EmbeddedPostgres) -> None:
    connection = await connect(own_postgres)
    assert own_postgres.pid is not None
    family = psutil.Process(own_postgres.pid).children(recursive=True)
    assert family
    await own_postgres.kill()
    connection.terminate()
    # Killed ones may take a moment to be gone from the table of processes.
    await until(lambda: not any(is_there(process) for process in family))


async def test_only_who_knows_the_password_comes_in(own_postgres: EmbeddedPostgres) -> None:
    address = f"postgresql://postgres:guess@127.0.0.1:{own_postgres.port}/lienthong"
    try:
        await asyncpg.connect(address)
    except asyncpg.InvalidPasswordError:
        pass
    else:
        raise AssertionError("a wrong password was accepted")
    assert (own_postgres.folder / "password").stat().st_mode & 0o777 == 0o600


async def test_half_a_cluster_is_made_anew(own_folder: Path) -> None:
    half = own_folder / "postgres" / "data" / "base"
    half.mkdir(parents=True)
    server = EmbeddedPostgres(own_folder / "postgres")
    await server.start()
    try:
        await keep(server, 1)
    finally:
        await server.kill()
