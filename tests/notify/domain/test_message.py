"""The mail as it travels."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notify.domain.mails import DELIVERIES_HEADER, deliveries_header
from services.notify.domain.message import Envelope, build_message, sender_address
from shared.delivery_id import DeliveryId, Status
from shared.events.notifications import Notice
from tests.builders.mailing import ID, a_letter

NOTICES = (Notice(delivery_id=ID, step="reminder:3"),)
LINE_OCTETS_MAX = 998
"""RFC 5322, 2.1.1."""

LONG = DeliveryId.of("SO-NONG-NGHIEP-VA-PTNT-KHANH-HOA", "Biểu số 01/BC: Ễ" * 4, "2024-S1", "preliminary")
delivery_ids = st.builds(
    DeliveryId.of,
    st.from_regex(r"[A-Z0-9-]{1,32}", fullmatch=True),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64).filter(lambda code: code.strip()),
    st.sampled_from(["2024-06", "2024-Q2", "2024-S1", "2024-9M", "2024"]),
    st.sampled_from(Status),
)
notices = st.lists(
    st.builds(
        lambda each, step: Notice(delivery_id=each, step=step),
        delivery_ids,
        st.sampled_from(["reminder:30", "passed:2", "returned:12.3"]),
    ),
    min_size=1,
    max_size=60,
)


def an_envelope(**changes: Any) -> Envelope:
    plain = {
        "message_id": "<c998e363-e703-5c4f-ae0c-b44fc0707441@so.example>",
        "sender": "Cục Thống kê <thong-ke@so.example>",
        "recipient_name": "Nguyễn Thị A",
        "recipient": "a@so-a.example",
        "at": datetime(2024, 6, 15, 8, 0, 5, tzinfo=timezone(timedelta(hours=7))),
    }
    return Envelope(**{**plain, **changes})


def parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def header_lines(raw: bytes, name: str) -> list[str]:
    """Return a header's lines as they stand in the bytes, without unfolding."""
    head = raw.split(b"\r\n\r\n", 1)[0].decode("ascii").split("\r\n")
    first = next(number for number, line in enumerate(head) if line.lower().startswith(f"{name.lower()}:"))
    last = first + 1
    while last < len(head) and head[last][0] in " \t":
        last += 1
    return head[first:last]


def unfolded(lines: Sequence[str]) -> str:
    """Unfold as RFC 5322, 2.2.3 says: the line breaks go, the blanks stay."""
    return "".join(lines).partition(": ")[2]


@given(notices)
@settings(max_examples=40)
def test_the_deliveries_header_travels_unharmed(named: list[Notice]) -> None:
    raw = build_message(a_letter(), an_envelope(), named)
    lines = header_lines(raw, DELIVERIES_HEADER)
    assert unfolded(lines) == deliveries_header(named)
    assert "=?" not in "".join(lines), "an encoded word would be another id to other programs"
    assert all(line.endswith(",") for line in lines[:-1])
    assert all(len(line) <= LINE_OCTETS_MAX for line in lines)
    assert parsed(raw)[DELIVERIES_HEADER] == deliveries_header(named)


def test_sixty_deliveries_with_long_vietnamese_codes_come_back_as_they_were() -> None:
    named = [Notice(delivery_id=LONG, step=f"returned:{number}.1") for number in range(1, 61)]
    raw = build_message(a_letter(), an_envelope(), named)
    read = [part.strip().partition(";step=") for part in unfolded(header_lines(raw, DELIVERIES_HEADER)).split(",")]
    assert [DeliveryId.parse(delivery) for delivery, _, _ in read] == [LONG] * 60
    assert [step for _, _, step in read] == [notice.step for notice in named]
    assert unquote(read[0][0].split("/")[1]) == LONG.form


def test_short_deliveries_share_a_line() -> None:
    named = [Notice(delivery_id=DeliveryId.of("A", "1", "2024", "final"), step="passed")] * 6
    lines = header_lines(build_message(a_letter(), an_envelope(), named), DELIVERIES_HEADER)
    assert 1 < len(lines) < 6
    assert all(len(line) <= 78 for line in lines)


def test_a_program_that_parses_and_writes_the_mail_anew_keeps_the_header() -> None:
    named = [Notice(delivery_id=LONG, step="passed"), Notice(delivery_id=ID, step="passed")]
    again = message_from_bytes(build_message(a_letter(), an_envelope(), named)).as_bytes(policy=policy.SMTP)
    assert parsed(again)[DELIVERIES_HEADER] == deliveries_header(named)


def test_the_standard_folding_would_harm_the_header() -> None:
    """The negative control: without a folding of our own, long ids become encoded words."""
    plain = EmailMessage(policy=policy.SMTP)
    plain[DELIVERIES_HEADER] = deliveries_header([Notice(delivery_id=LONG, step="passed")] * 3)
    lines = header_lines(plain.as_bytes() + b"\r\n\r\n", DELIVERIES_HEADER)
    assert "=?" in "".join(lines) or not all(line.endswith(",") for line in lines[:-1])


def test_all_octets_are_ascii_in_short_lines() -> None:
    raw = build_message(a_letter(subject="Nhắc hạn: " + "biểu rất dài " * 40), an_envelope(), NOTICES)
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= LINE_OCTETS_MAX


def test_the_head_says_from_whom_to_whom_and_when() -> None:
    message = parsed(build_message(a_letter(), an_envelope(reply_to="Phòng Tổng hợp <th@so.example>"), NOTICES))
    assert str(message["From"]) == "Cục Thống kê <thong-ke@so.example>"
    assert str(message["To"]) == "Nguyễn Thị A <a@so-a.example>"
    assert str(message["Reply-To"]) == "Phòng Tổng hợp <th@so.example>"
    assert message["Date"].datetime == datetime(2024, 6, 15, 1, 0, 5, tzinfo=UTC)
    assert message["Message-ID"] == an_envelope().message_id
    assert message["Subject"] == a_letter().subject


def test_machines_are_asked_not_to_answer() -> None:
    message = parsed(build_message(a_letter(), an_envelope(), NOTICES))
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["Content-Language"] == "vi"
    assert "X-Lienthong-Clock" not in message
    assert parsed(build_message(a_letter(), an_envelope(simulated=True), NOTICES))["X-Lienthong-Clock"] == "simulated"


def test_text_comes_first_then_html() -> None:
    message = parsed(build_message(a_letter(), an_envelope(), NOTICES))
    assert message.get_content_type() == "multipart/alternative"
    parts = list(message.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert all(part.get_content_charset() == "utf-8" for part in parts)
    assert "Kính gửi Nguyễn Thị A" in parts[0].get_content()
    assert "Kính gửi Nguyễn Thị A" in parts[1].get_content()


@pytest.mark.parametrize(
    "wicked", ["A\r\nBcc: b@b.example", "A\nX-Lienthong-Deliveries: x", 'Nguyễn, "Thị" <a@b>', "\x00A\x1b", "A\u2028B"]
)
def test_a_name_adds_no_header(wicked: str) -> None:
    letter = a_letter(subject=wicked)
    message = parsed(build_message(letter, an_envelope(recipient_name=wicked), NOTICES))
    assert "Bcc" not in message
    assert len(message.get_all(DELIVERIES_HEADER, [])) == 1
    assert [address.addr_spec for address in message["To"].addresses] == ["a@so-a.example"]


@pytest.mark.parametrize(
    "address",
    ["", "a", "@so.example", "a@", "á@so.example", "a@sở.example", "a@b\r\nBcc: c@d", "a b@so.example", "a@b, c@d"],
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is no e-mail address"):
        build_message(a_letter(), an_envelope(recipient=address), NOTICES)


@given(st.text(max_size=30) | st.text('ab.@<>" ,;:()[]\\', max_size=12))
def test_any_address_is_taken_or_refused_as_no_address(address: str) -> None:
    try:
        raw = build_message(a_letter(), an_envelope(recipient=address), NOTICES)
    except ValueError:
        return
    assert [each.addr_spec for each in parsed(raw)["To"].addresses] == [address.strip()]


def test_a_date_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        build_message(a_letter(), an_envelope(at=datetime(2024, 6, 15)), NOTICES)  # noqa: DTZ001


def test_the_envelope_sender_is_the_bare_address() -> None:
    assert sender_address("Cục Thống kê <thong-ke@so.example>") == "thong-ke@so.example"
    assert sender_address("thong-ke@localhost") == "thong-ke@localhost"
