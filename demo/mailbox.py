"""Reads the mailbox that the mail server keeps."""

from typing import Any

import httpx

from demo.facts import Mail

REASONS_HEADER = "x-lienthong-deliveries"


def mail_of(message: dict[str, Any]) -> Mail:
    """Return what a mail says in its head. Raises ValueError for a reason that is not `<delivery>;step=<step>`."""
    headers = {name.lower(): value for name, value in message["headers"].items()}
    steps = tuple(_reason(part) for part in headers.get(REASONS_HEADER, "").split(",") if part.strip())
    return Mail(message["message_id"], tuple(message["to"]), message["subject"], steps)


def _reason(text: str) -> tuple[str, str]:
    delivery, separator, step = text.strip().partition(";step=")
    if not separator:
        raise ValueError(f"{text!r} in {REASONS_HEADER} names no step")
    return delivery, step


class MailboxReader:
    """The mailbox over HTTP."""

    def __init__(self, address: str, client: httpx.Client) -> None:
        self._url = f"{address}/api/messages"
        self._client = client

    def mails(self) -> list[Mail]:
        """Return all mails, first come first."""
        response = self._client.get(self._url)
        response.raise_for_status()
        return [mail_of(message) for message in response.json()]
