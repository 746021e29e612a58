"""What can go wrong with the embedded parts, said in Vietnamese and English."""


class EmbeddedError(Exception):
    """A part cannot be had or does not start; `vi` and `en` say what is wrong and what to do about it."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(f"{vi}\n{en}")
        self.vi = vi
        self.en = en


def ended_early(part: str, exit_code: int, log: str) -> EmbeddedError:
    """Return the error for a part that ended while it was expected to become ready; `log` is its last output."""
    return EmbeddedError(
        vi=f"{part} dừng ngay khi khởi động (mã thoát {exit_code}).",
        en=f"{part} ended while starting (exit code {exit_code}). Its last output:\n{log}",
    )


def not_ready(part: str, seconds: float, log: str) -> EmbeddedError:
    """Return the error for a part that runs but does not answer within `seconds`."""
    return EmbeddedError(
        vi=f"{part} không trả lời sau {seconds:.0f} giây.",
        en=f"{part} does not answer after {seconds:.0f} seconds. Its last output:\n{log}",
    )
