"""Dead letters as an operator reads them, in Vietnamese and English."""

import json
from collections.abc import Iterator
from datetime import datetime

from services.ingest.bad_messages import REASONS_IN_VIETNAMESE
from shared.bus.errors import Reason
from shared.bus.inbox import Outcome
from shared.bus.letters import Letter
from shared.bus.topics import TOPICS

BODY_LENGTH_MAX = 4000
DETAIL_LENGTH_MAX = 300

_OUTCOMES = {
    Outcome.QUARANTINED.value: "để riêng · put aside",
    Outcome.HANDLED.value: "đã phát lại, đã xử lý · replayed and handled",
    Outcome.SKIPPED.value: "đã phát lại, không có ai nhận loại này · replayed, nobody handles its type",
    Outcome.REPEATED.value: "đã xử lý từ trước, không làm gì thêm · handled before, nothing was done",
}


def outcome_of(letter: Letter) -> str:
    """Say what became of a letter."""
    if letter.outcome == Outcome.QUARANTINED.value and letter.replay_requested_at is not None:
        return "chờ phát lại · waits to be replayed"
    return _OUTCOMES.get(letter.outcome, letter.outcome)


def unit_of(letter: Letter) -> str:
    """Return the unit that a letter is of, `?` where it cannot be read, `-` for none."""
    try:
        return TOPICS.unit_of(letter.topic, letter.key) or "-"
    except ValueError:
        return "?"


def line_of(service: str, letter: Letter) -> str:
    """Return a letter in two lines."""
    place = f"{letter.topic}/{letter.partition}@{letter.offset}"
    detail = printable(letter.detail.replace("\n", " "))[:DETAIL_LENGTH_MAX]
    return (
        f"{service:<9} {letter.id:>6}  {_clock(letter.last_seen)}  {letter.reason:<24} {unit_of(letter):<12} "
        f"{printable(place)}  ×{letter.count}  {outcome_of(letter)}\n{'':<18}{detail}"
    )


def page_of(service: str, letter: Letter, *, whole: bool) -> Iterator[str]:
    """Return all of a letter, line by line; its body up to `BODY_LENGTH_MAX` characters unless `whole`."""
    yield f"{service} {letter.id}: {outcome_of(letter)}"
    yield f"lý do · reason           {letter.reason}: {_reason(letter.reason)}"
    yield f"chi tiết · detail        {printable(letter.detail)}"
    yield f"vị trí · place           {printable(letter.topic)}, partition {letter.partition}, offset {letter.offset}"
    yield f"cụm · cluster            {letter.cluster_id}"
    yield f"nhóm · consumer group    {letter.consumer_group}"
    yield f"đơn vị · unit            {unit_of(letter)}"
    yield f"đến lúc · came at        {_clock(letter.timestamp)}"
    yield f"lần đầu · first seen     {_clock(letter.first_seen)}"
    yield f"lần cuối · last seen     {_clock(letter.last_seen)}"
    yield f"số lần · count           {letter.count}"
    for name, at in (
        ("yêu cầu · requested", letter.replay_requested_at),
        ("phát lại · replayed", letter.replayed_at),
    ):
        yield f"{name:<24} {'-' if at is None else _clock(at)}"
    yield f"SHA-256                  {letter.sha256}"
    yield f"khoá · key               {readable(letter.key)}"
    yield "header · headers"
    for name, value in letter.record.headers:
        yield f"  {printable(name)}: {readable(value)}"
    yield f"nội dung · body          {_size(letter.value)}"
    body = _body(letter.value)
    yield body if whole else body[:BODY_LENGTH_MAX]
    if not whole and len(body) > BODY_LENGTH_MAX:
        yield f"… còn {len(body) - BODY_LENGTH_MAX} ký tự: --whole · {len(body) - BODY_LENGTH_MAX} more: --whole"


def readable(value: bytes | None) -> str:
    """Return bytes as text as far as they are one; other bytes as their escapes."""
    return "null" if value is None else printable(value.decode("utf-8", "backslashreplace"))


def printable(text: str) -> str:
    """Return a text that cannot move a terminal's cursor or change its colours: a sender chose it."""
    return "".join(each if each.isprintable() or each in "\n\t" else ascii(each)[1:-1] for each in text)


def _body(value: bytes | None) -> str:
    """Return JSON laid out, anything else as it is."""
    try:
        return printable(json.dumps(json.loads(value or b""), ensure_ascii=False, indent=2))
    except (ValueError, RecursionError):  # ValueError: no JSON, or no UTF-8
        return readable(value)


def _size(value: bytes | None) -> str:
    return "null (tombstone)" if value is None else f"{len(value)} byte"


def _reason(code: str) -> str:
    if code not in set(Reason):
        return "?"
    english = code.replace("_", " ")
    return f"{REASONS_IN_VIETNAMESE[Reason(code)]} · {english}"


def _clock(instant: datetime) -> str:
    return instant.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")
