"""The mailbox: one .eml file a mail in a folder, on disk before its sender is told that it was taken."""

import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

SUFFIX = ".eml"


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as its reader sees it. `headers`: name → value; a header that comes twice has its values on two lines."""

    id: str
    message_id: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    date: datetime | None
    headers: dict[str, str]
    text: str | None
    html: str | None


class Mailbox:
    """The folder and the mails in it, in the order of their arrival."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, Mail] = {}  # files never change, so each is parsed once

    def add(self, content: bytes, sender: str, recipients: Sequence[str]) -> str:
        """Store a mail with its envelope as trace headers, flush file and folder to disk; return its id."""
        self.folder.mkdir(parents=True, exist_ok=True)
        mail_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}"
        trace = [f"Return-Path: <{sender}>", *(f"Delivered-To: {recipient}" for recipient in recipients)]
        temporary = self.folder / f".{mail_id}"
        with temporary.open("wb") as file:
            file.write("".join(f"{line}\r\n" for line in trace).encode("utf-8") + content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path(mail_id))
        folder = os.open(self.folder, os.O_RDONLY)  # the name is on disk once the folder is
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return mail_id

    def ids(self) -> list[str]:
        """Return the ids of all mails, first come first."""
        if not self.folder.exists():
            return []
        names = (entry.name for entry in os.scandir(self.folder))
        return sorted(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX) and name[0] != ".")

    def mails(self) -> Iterator[Mail]:
        """Read all mails, first come first."""
        for mail_id in self.ids():
            yield self.mail(mail_id)

    def mail(self, mail_id: str) -> Mail:
        """Read one mail; raises KeyError when there is none of that id."""
        if mail_id not in self._read:
            self._read[mail_id] = parse(mail_id, self.raw(mail_id))
        return self._read[mail_id]

    def raw(self, mail_id: str) -> bytes:
        """Return the bytes of one mail; raises KeyError when there is none of that id."""
        if not mail_id or "/" in mail_id or "\\" in mail_id or mail_id[0] == ".":
            raise KeyError(mail_id)
        try:
            return self._path(mail_id).read_bytes()
        except FileNotFoundError:
            raise KeyError(mail_id) from None

    def _path(self, mail_id: str) -> Path:
        return self.folder / f"{mail_id}{SUFFIX}"


def parse(mail_id: str, content: bytes) -> Mail:
    """Parse a mail; what is damaged in it stays readable as far as it can."""
    message = message_from_bytes(content, policy=default)
    if not isinstance(message, EmailMessage):  # the default policy makes nothing else
        raise TypeError("the mail was not parsed into an EmailMessage")
    headers: dict[str, str] = {}
    for name, value in message.items():
        headers[name] = f"{headers[name]}\n{value}" if name in headers else str(value)
    date = message["Date"]
    return Mail(
        id=mail_id,
        message_id=str(message.get("Message-ID", "")).strip(),
        sender=str(message.get("From", "")),
        recipients=tuple(str(value) for value in message.get_all("Delivered-To", [])),
        subject=str(message.get("Subject", "")),
        date=date.datetime if date is not None else None,
        headers=headers,
        text=_body(message, "plain"),
        html=_body(message, "html"),
    )


def _body(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body(preferencelist=(kind,))
    if part is None:
        return None
    try:
        return str(part.get_content())
    except (LookupError, UnicodeError):  # an unknown character set
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", errors="replace") if isinstance(payload, bytes) else None
