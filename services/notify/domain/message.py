"""A letter as an e-mail: both bodies, and the headers by which machines know what it is about."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email.errors import HeaderParseError
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import parseaddr

from services.notify.domain.letter import Letter
from services.notify.domain.mails import DELIVERIES_HEADER, deliveries_header
from services.notify.domain.render_html import render_html
from services.notify.domain.render_text import render_text
from shared.events.notifications import Notice

LINE_LENGTH = 78
"""RFC 5322 asks for no more where that can be had."""

_SEPARATOR = ", "
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class Envelope:
    """From whom to whom, and when: `sender` is a From like `Name <local@domain>`, `at` aware business time.

    `reply_to` may be empty. `simulated` says that `at` comes from a simulated clock.
    """

    message_id: str
    sender: str
    recipient_name: str
    recipient: str
    at: datetime
    reply_to: str = ""
    simulated: bool = False


def sender_address(sender: str) -> str:
    """Return the bare address of a From, for the SMTP envelope; raises ValueError when it has none."""
    return _address(*parseaddr(sender)).addr_spec


def build_message(letter: Letter, envelope: Envelope, notices: Iterable[Notice]) -> bytes:
    """Return the mail as it travels: text, then HTML, in UTF-8, all in ASCII lines of at most 998 octets.

    Raises ValueError when an address is none that every server takes: no retry mends that.
    """
    if envelope.at.tzinfo is None:
        raise ValueError("the date of a mail must be aware")
    message = EmailMessage(policy=_POLICY)
    message["From"] = _address(*parseaddr(envelope.sender))
    message["To"] = _address(envelope.recipient_name, envelope.recipient)
    if envelope.reply_to:
        message["Reply-To"] = _address(*parseaddr(envelope.reply_to))
    message["Subject"] = _one_line(letter.subject)
    message["Date"] = envelope.at
    message["Message-ID"] = envelope.message_id
    message[DELIVERIES_HEADER] = deliveries_header(notices)
    if envelope.simulated:
        message["X-Lienthong-Clock"] = "simulated"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    # base64: both bodies are mostly letters with marks, and servers without 8BITMIME take it as well.
    message.set_content(render_text(letter), charset="utf-8", cte="base64")
    message.add_alternative(render_html(letter), subtype="html", charset="utf-8", cte="base64")
    message["Content-Language"] = "vi"  # last: what stands here before the bodies would move into the first one
    return message.as_bytes()


class DeliveriesHeader(UnstructuredHeader, BaseHeader):
    """A header that is folded between the named deliveries only, whichever policy writes it.

    The standard folding would break a long delivery id, or write it as an RFC 2047 encoded word, which other programs
    would read as another id.
    """

    def fold(self, *, policy: Policy) -> str:
        """Return the header in lines that end before a delivery."""
        head, *others = self.split(_SEPARATOR)
        lines = [f"{self.name}: {head}"]
        for delivery in others:
            if len(lines[-1]) + len(_SEPARATOR) + len(delivery) + 1 > LINE_LENGTH:  # 1: the comma that may follow
                lines[-1] += ","
                lines.append(f" {delivery}")
            else:
                lines[-1] += f"{_SEPARATOR}{delivery}"
        return "".join(f"{line}{policy.linesep}" for line in lines)


def _registry() -> HeaderRegistry:
    registry = HeaderRegistry()
    registry.map_to_type(DELIVERIES_HEADER.lower(), DeliveriesHeader)
    return registry


_POLICY = SMTP.clone(header_factory=_registry())


def _address(name: str, address: str) -> Address:
    local, at, domain = address.strip().rpartition("@")
    if not (at and local and domain and address.isascii()):
        raise ValueError(f"{address!r} is no e-mail address that every mail server takes")
    try:
        return Address(display_name=_one_line(name), addr_spec=address.strip())
    except (ValueError, HeaderParseError) as error:
        raise ValueError(f"{address!r} is no e-mail address: {error}") from error


def _one_line(text: str) -> str:
    return _BLANKS.sub(" ", text).strip()
