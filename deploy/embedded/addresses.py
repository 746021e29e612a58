"""`addresses.json`: where everything is, for programs that use the stack from outside."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.embedded.files import PRIVATE, write_atomically


@dataclass(frozen=True, slots=True)
class Addresses:
    """The stack's addresses. `mailbox` is None with a real mail server, `tokens` where none were issued here."""

    bootstrap_servers: str
    database_url: str
    ingest: str
    validate: str
    notify: str
    catalogue: str
    mailbox: str | None
    smtp: str
    tokens: str | None

    def write(self, path: Path) -> None:
        """Write the file, readable by its owner alone: it holds the database's password."""
        write_atomically(path, json.dumps(asdict(self), indent=2) + "\n", PRIVATE)


def for_asyncpg(url: str) -> str:
    """Return a PostgreSQL URL with the driver named, as SQLAlchemy wants it."""
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+asyncpg://" + url.removeprefix(scheme)
    return url
