"""A stand-in for the `lienthong` command, so that the supervisor is tested apart from the services.

It keeps a diary of what it was asked in `$FAKE_DIARY`; a name in `$FAKE_FAILS` makes that command fail once.
"""

import asyncio
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import asyncpg


class Health(BaseHTTPRequestHandler):
    """Says that it is ready."""

    def do_GET(self) -> None:
        body = json.dumps({"checks": {}, "pid": os.getpid(), "clock": os.environ.get("LIENTHONG_CLOCK")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


async def execute(statement: str) -> None:
    connection = await asyncpg.connect(os.environ["LIENTHONG_DATABASE_URL"].replace("+asyncpg", ""))
    await connection.execute(statement)
    await connection.close()


def main(arguments: list[str]) -> None:
    diary = Path(os.environ["FAKE_DIARY"])
    with diary.open("a", encoding="utf-8") as file:
        file.write(" ".join(arguments) + "\n")
    fails = Path(os.environ["FAKE_FAILS"]) if "FAKE_FAILS" in os.environ else None
    if fails is not None and fails.exists() and fails.read_text() in " ".join(arguments):
        fails.unlink()
        sys.exit("asked to fail")
    match arguments:
        case ["serve", _]:
            ThreadingHTTPServer(("127.0.0.1", int(os.environ["LIENTHONG_HTTP_PORT"])), Health).serve_forever()
        case ["migrate"]:
            asyncio.run(execute("create schema if not exists catalogue"))
            asyncio.run(execute("create table if not exists catalogue.releases (number int)"))
        case ["catalogue", "load", _]:
            asyncio.run(execute("insert into catalogue.releases values (1)"))
        case ["catalogue", "tokens", "--out", path]:
            Path(path).write_text('{"units": {}, "roles": {}}', encoding="utf-8")
        case ["ingest", "history", *_]:
            pass
        case _:
            sys.exit(f"not understood: {arguments}")


if __name__ == "__main__":
    main(sys.argv[1:])
