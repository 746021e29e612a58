"""A mail before it has a shape: what it says, in parts that both the text and the HTML show."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Line:
    """One delivery in the mail's table. `note` stands beside the deadline, `urgent` makes it stand out."""

    form: str
    title: str
    period: str
    status: str
    due: str
    note: str = ""
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Mistake:
    """One finding: where, what is wrong, how to mend it. `expected` and `observed` are shown beside each other."""

    where: str
    address: str
    message: str
    mend: str
    expected: str
    observed: str

    @property
    def compared(self) -> tuple[tuple[str, str], ...]:
        """What stands beside each other, as (label, value): what was sent and what the rule gives, where known."""
        pairs = (("Đã gửi", self.observed), ("Theo quy tắc", self.expected))
        return tuple((label, value) for label, value in pairs if value)


@dataclass(frozen=True, slots=True)
class Returned:
    """The mistakes of one returned report: the first ones, of `error_count` in all; `all_at` says where all are."""

    heading: str
    error_count: int
    mistakes: tuple[Mistake, ...]
    all_at: str = ""

    @property
    def hidden_count(self) -> int:
        """How many errors are not shown."""
        return max(0, self.error_count - len(self.mistakes))

    @property
    def rest(self) -> str:
        """What is said of the errors that are not shown, empty when all are."""
        if not self.hidden_count:
            return ""
        return f"… còn {self.hidden_count} lỗi nữa." + (f" Danh sách đủ: {self.all_at}" if self.all_at else "")


@dataclass(frozen=True, slots=True)
class Letter:
    """A whole mail. `tone` is its kind (`reminder`, `passed`, `returned`) and gives the HTML its colour."""

    tone: str
    subject: str
    kicker: str
    headline: str
    greeting: str
    paragraphs: tuple[str, ...]
    lines: tuple[Line, ...]
    returned: tuple[Returned, ...]
    actions: tuple[str, ...]
    button: str
    url: str
    signature: tuple[str, ...]
    reason: str
    notes: tuple[str, ...] = field(default=())
