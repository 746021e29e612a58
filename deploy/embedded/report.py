"""What the supervisor tells the person at the terminal."""

from typing import Protocol

from rich.console import Console
from rich.text import Text

from deploy.embedded.addresses import Addresses


class Report(Protocol):
    """Takes what happens, in Vietnamese and English."""

    def say(self, vi: str, en: str) -> None:
        """Tell of a step that was taken."""
        ...

    def warn(self, vi: str, en: str) -> None:
        """Tell of something that went wrong and is being mended."""
        ...


class Silence:
    """Says nothing: for a stack within another program."""

    def say(self, vi: str, en: str) -> None:
        """Say nothing."""

    def warn(self, vi: str, en: str) -> None:
        """Say nothing."""


class ConsoleReport:
    """Writes lines to a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, vi: str, en: str) -> None:
        """Write one line, the English part dimmed."""
        self._console.print(Text.assemble(("✓ ", "green"), vi, ("  " + en, "dim")), soft_wrap=True)

    def warn(self, vi: str, en: str) -> None:
        """Write one line, marked."""
        self._console.print(Text.assemble(("! ", "yellow"), vi, ("  " + en, "dim")), soft_wrap=True)

    def show(self, addresses: Addresses, file: str) -> None:
        """Write the table of addresses; passwords stay in the file."""
        rows = [
            ("ingest", addresses.ingest, "nhận báo cáo · reports come in"),
            ("validate", addresses.validate, "kiểm tra · checks"),
            ("catalogue", addresses.catalogue, "danh mục, lịch báo cáo · catalogue, calendar"),
            ("notify", addresses.notify, "nhắc việc · reminders"),
            ("mailbox", addresses.mailbox, "thư đã gửi · mails sent"),
            ("smtp", without_password(addresses.smtp), ""),
            ("kafka", addresses.bootstrap_servers, ""),
            ("database", without_password(addresses.database_url), ""),
            ("tokens", addresses.tokens, "mã truy cập · access tokens"),
        ]
        width = max(len(address or "") for _, address, meaning in rows if meaning)
        for name, address, meaning in rows:
            if address:
                line = Text.assemble("  ", (f"{name:<11}", "bold"), f"{address:<{width}}  ", (meaning, "dim"))
                self._console.print(line, soft_wrap=True)  # addresses are copied from here: never cut, never wrapped
        self._console.print(Text(f"  {file}  ·  Ctrl-C: dừng · stop", "dim"), soft_wrap=True)


def without_password(url: str) -> str:
    """Return a URL with its password replaced by dots."""
    scheme, separator, rest = url.partition("://")
    account, at, place = rest.rpartition("@")
    user, colon, _ = account.partition(":")
    return f"{scheme}{separator}{user}{':…' if colon else ''}{at}{place}"
