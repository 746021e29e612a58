"""Instants that a person types at a command."""

from datetime import UTC, datetime

from shared.text import Text

EXAMPLE = "2024-06-18T23:59:59+07:00"


class InstantError(ValueError):
    """What was typed is no instant; `text` says in both languages how to write one."""

    def __init__(self, text: Text) -> None:
        super().__init__(f"{text.vi}\n{text.en}")
        self.text = text


def typed_instant(option: str, typed: str) -> datetime:
    """Return, in UTC, an ISO 8601 instant with its offset from UTC, typed for an option; raises InstantError."""
    try:
        instant = datetime.fromisoformat(typed)
        in_utc = instant.astimezone(UTC)
    except (ValueError, OverflowError):  # overflow: the first or last hours of the calendar, in another zone
        raise InstantError(
            Text(
                vi=f"{option}: «{typed}» không phải thời điểm ISO 8601, ví dụ {EXAMPLE}.",
                en=f"{option}: “{typed}” is no instant in ISO 8601, for example {EXAMPLE}.",
            )
        ) from None
    if instant.tzinfo is None:
        raise InstantError(
            Text(
                vi=f"{option}: thêm múi giờ, ví dụ +07:00.",
                en=f"{option}: add the offset from UTC, for example +07:00.",
            )
        )
    return in_utc
