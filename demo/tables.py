"""The tables of the summary."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from demo.checks.arrivals import answers_to
from demo.checks.imbalance import Books
from demo.delivery import Delivery
from demo.ledger import Door, Outcome, Sending, Verdict, worst
from demo.outcome import DeliveryOutcome, latencies, outcomes, percentile
from demo.sample import Sample

GOOD, LATE, BAD, FAINT = "green", "yellow", "red", "grey58"
DOOR_NAMES = {Door.KAFKA: "Kafka", Door.JSON: "HTTP · JSON", Door.EXCEL: "HTTP · Excel form"}
VERDICT_NAMES = {
    Verdict.ACCEPTED: "accepted",
    Verdict.ACCEPTED_WITH_WARNINGS: "accepted\nwith warnings",
    Verdict.NEEDS_EXPLANATION: "needs\nexplanation",
    Verdict.RETURNED: "returned",
    Verdict.REJECTED: "rejected",
}
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
STATUS_NAMES = {"estimate": "ước tính", "preliminary": "sơ bộ", "final": "chính thức"}
NAME_WIDTH_MAX = 34


@dataclass(frozen=True)
class View:
    """What the summary shows."""

    books: Books
    sample: Sample

    @property
    def outcomes(self) -> dict[str, DeliveryOutcome]:
        """The end of each delivery."""
        return outcomes(self.sample.timetable.dues, self.books.facts)

    def sendings(self, *kinds: Outcome) -> list[Sending]:
        """Return what was sent and must end so."""
        return self.books.with_outcome(*kinds)


def table(*columns: str, title: str | None = None, right: Iterable[int] = ()) -> Table:
    """Return an empty table in the house's look; `right` numbers the columns of figures."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left", title_style="bold")
    figures = set(right)
    for number, name in enumerate(columns):
        made.add_column(name, justify="right" if number in figures else "left", vertical="bottom")
    return made


def by_door_and_verdict(view: View) -> RenderableType:
    """Count packages with their corrections by the merged verdict of judgement 1, and what never got that far."""
    seen = {(fact.delivery, fact.version): fact.verdict for fact in view.books.facts.judgements if fact.number == 1}
    counts: dict[Door, Counter[str]] = {door: Counter() for door in Door}
    for sending in view.sendings(Outcome.RECEIVED):
        verdicts = [seen.get((report.delivery, report.version)) for report in sending.reports]
        known = [Verdict(verdict) for verdict in verdicts if verdict is not None]
        counts[sending.door][worst(known).value if len(known) == len(verdicts) else "no verdict"] += 1
    for sending in view.sendings(Outcome.REJECTED):
        counts[sending.door]["rejected"] += 1
    for sending in view.sendings(Outcome.DEAD_LETTER, Outcome.REFUSED):
        counts[sending.door]["garbage"] += 1
    names = [*VERDICT_NAMES.values(), "garbage", "all"]
    made = table("door", *names, right=range(1, len(names) + 1))
    kinds = [*(verdict.value for verdict in VERDICT_NAMES), "garbage"]
    for door, counted in counts.items():
        made.add_row(DOOR_NAMES[door], *(_count(counted[kind]) for kind in kinds), str(counted.total()))
    every = sum((counted for counted in counts.values()), Counter())
    made.add_section()
    made.add_row("all", *(_count(every[kind]) for kind in kinds), str(every.total()), style="bold")
    return made


def matrix(view: View) -> RenderableType:
    """Units × forms: one row a unit; in each column the unit's forms with a mark for each delivery."""
    found = view.outcomes.values()
    cells: dict[tuple[str, int], dict[str, list[DeliveryOutcome]]] = defaultdict(lambda: defaultdict(list))
    heads: dict[int, list[Delivery]] = defaultdict(list)
    for outcome in found:
        delivery = Delivery.parse(outcome.due.delivery)
        heads[_column(delivery)].append(delivery)
        cells[delivery.unit, _column(delivery)][delivery.form].append(outcome)
    groups = sorted(heads)
    made = table("unit", "", *(_head(heads[group]) for group in groups))
    for unit in dict.fromkeys(outcome.due.unit for outcome in found):
        name = Text(view.sample.units[unit].name, style=FAINT, no_wrap=True, overflow="ellipsis")
        row = [Text(unit, style="bold"), name]
        row.extend(_forms(cells.get((unit, group), {})) for group in groups)
        made.add_row(*row)
    made.columns[1].max_width = NAME_WIDTH_MAX
    for column in made.columns[2:]:
        column.no_wrap = True  # a narrow terminal cuts the names, not the marks
    return Group(made, Padding(_legend(found), (0, 0, 1, 0)))


def _column(delivery: Delivery) -> int:
    """Longer periods, months, and what is firmer than an estimate."""
    if delivery.status != "estimate":
        return 2
    return 1 if delivery.month_count == 1 else 0


def _head(deliveries: Iterable[Delivery]) -> str:
    every = sorted(deliveries, key=lambda delivery: (delivery.month_count, delivery.period))
    periods = dict.fromkeys(delivery.period for delivery in every)
    statuses = [name for status, name in STATUS_NAMES.items() if any(each.status == status for each in every)]
    return f"{', '.join(periods)}\n{', '.join(statuses)}"


def _forms(forms: dict[str, list[DeliveryOutcome]]) -> Text:
    text = Text(no_wrap=True)
    for number, (form, found) in enumerate(forms.items()):
        text.append("  " if number else "")
        text.append(form.split("/")[0], style=FAINT)
        text.append(" ")
        for outcome in sorted(found, key=lambda outcome: Delivery.parse(outcome.due.delivery).month_count):
            mark, colour = _mark(outcome)
            text.append(mark, style=f"bold {colour}")
            if outcome.version_count > 1:
                text.append(str(outcome.version_count).translate(SUPERSCRIPTS), style=colour)
    return text


def _mark(outcome: DeliveryOutcome) -> tuple[str, str]:
    if outcome.in_time is None:
        return ("○", BAD) if outcome.verdict is None else ("✗", BAD)
    shape = "◆" if outcome.verdict == Verdict.ACCEPTED_WITH_WARNINGS else "●"
    return shape, GOOD if outcome.in_time else LATE


def _legend(found: Iterable[DeliveryOutcome]) -> Text:
    counts = Counter(_mark(outcome) for outcome in found)
    legend = Text()
    for (mark, colour), words in {
        ("●", GOOD): "in time",
        ("◆", GOOD): "in time, with warnings explained",
        ("●", LATE): "late",
        ("◆", LATE): "late, with warnings explained",
        ("✗", BAD): "returned, not mended",
        ("○", BAD): "never came",
    }.items():
        if counts[mark, colour]:
            legend.append(mark, style=f"bold {colour}")
            legend.append(f" {words} {counts[mark, colour]}   ")
    return legend.append("● ² needed two versions", style=FAINT)


def latecomers(view: View) -> RenderableType:
    """Who was late, and who has not come at all."""
    made = table("unit", "form", "period", "due", "met", "days late", "why", right=[5])
    whys = _whys(view)
    for outcome in sorted(view.outcomes.values(), key=lambda each: (each.due.due_at, each.due.delivery)):
        if outcome.in_time:
            continue
        delivery = Delivery.parse(outcome.due.delivery)
        received_at = outcome.received_at if outcome.in_time is not None else None
        zone = view.sample.timetable.zone
        made.add_row(
            Text(delivery.unit, style="bold"),
            delivery.form,
            f"{delivery.period} {STATUS_NAMES.get(delivery.status, delivery.status)}",
            f"{outcome.due.due_at.astimezone(zone):%d/%m}",
            f"{received_at.astimezone(zone):%d/%m}" if received_at is not None else Text("–", style=BAD),
            str(outcome.late_days) if outcome.late_days is not None else Text("not met", style=BAD),
            Text(whys.get(outcome.due.delivery, "nothing was sent"), style=FAINT, no_wrap=True, overflow="ellipsis"),
        )
    return made


def _whys(view: View) -> dict[str, str]:
    whys: dict[str, list[str]] = defaultdict(list)
    for sending in view.sendings(Outcome.RECEIVED):
        for report in sending.reports:
            what = sending.what if report.verdict is not Verdict.ACCEPTED else ""
            whys[report.delivery].append(what or ("sent late" if report.version == 1 else "corrected late"))
    return {delivery: ", ".join(dict.fromkeys(words)) for delivery, words in whys.items()}


def mails(view: View) -> RenderableType:
    """Mails by kind: one mail may name several deliveries."""
    kinds: dict[str, list[tuple[str, str, int]]] = defaultdict(list)
    for mail in {mail.message_id: mail for mail in view.books.facts.mails}.values():
        kind = mail.steps[0][1].partition(":")[0] if mail.steps else "without reason"
        kinds[kind].append((mail.message_id, ", ".join(mail.to), len(mail.steps)))
    made = table("mail", "mails", "notices in them", "people", right=[1, 2, 3])
    words = {"reminder": "reminder before the deadline", "passed": "deadline passed", "returned": "report returned"}
    for kind in [*words, *sorted(kinds.keys() - words.keys())]:
        sent = kinds.get(kind, [])
        made.add_row(
            words.get(kind, kind), str(len(sent)), str(sum(each[2] for each in sent)), str(len({e[1] for e in sent}))
        )
    return made


def rejections(view: View) -> RenderableType:
    """Wrong packages, and what their senders were told."""
    made = table("item", "unit", "door", "what was wrong", "what the sender was told")
    for sending in _by_item(view.sendings(Outcome.REJECTED)):
        told, answers = view.books.sent.get(sending.item), answers_to(view.books, sending, "rejected")
        if sending.door is Door.KAFKA:
            words = answers[0].findings[0] if answers and answers[0].findings else "nothing"
        else:
            words = f"{told.status} {told.problem or ''}".strip() if told is not None else "nothing"
        _row(made, sending, words)
    return made


def apart(view: View) -> RenderableType:
    """Garbage: dead letters with their reasons, refusals with their status."""
    letters = {(letter.topic, letter.offset): letter for letter in view.books.facts.dead_letters}
    made = table("item", "unit", "door", "what it was", "what became of it")
    for sending in _by_item(view.sendings(Outcome.DEAD_LETTER, Outcome.REFUSED)):
        sent = view.books.sent.get(sending.item)
        if sending.outcome is Outcome.DEAD_LETTER:
            letter = letters.get(
                (f"agency.{sending.unit}.submissions", sent.offset if sent and sent.offset is not None else -1)
            )
            words = f"dlq.{letter.service}: {letter.reason} – {letter.detail}" if letter is not None else "nothing"
        else:
            words = f"{sent.status} {sent.problem or ''}".strip() if sent is not None else "nothing"
        _row(made, sending, words)
    return made


def latency(view: View) -> RenderableType:
    """Time from the send to the verdict on the topic, in machine time."""
    made = table("send → verdict", "packages", "p50", "p95", "slowest", right=[1, 2, 3, 4])
    found = latencies(view.books.ledger, view.books.facts)
    every = sorted(seconds for numbers in found.values() for seconds in numbers)
    for name, numbers in [*((DOOR_NAMES[door], numbers) for door, numbers in found.items()), ("all", every)]:
        ranks = (percentile(numbers, share) for share in (0.5, 0.95, 1.0))
        made.add_row(name, str(len(numbers)), *(_milliseconds(rank) for rank in ranks))
    return made


def imbalances(found: Sequence[object], shown_max: int) -> RenderableType:
    """List what does not balance."""
    lines = [Text(f"✗ {each}", style=BAD) for each in found[:shown_max]]
    if len(found) > shown_max:
        lines.append(Text(f"… and {len(found) - shown_max} more", style=BAD))
    return Group(*lines)


def _row(made: Table, sending: Sending, words: str) -> None:
    made.add_row(
        Text(sending.item, style=FAINT),
        Text(sending.unit, style="bold"),
        DOOR_NAMES[sending.door],
        sending.what,
        Text(words, style=FAINT, no_wrap=True, overflow="ellipsis"),
    )


def _by_item(sendings: Iterable[Sending]) -> list[Sending]:
    return sorted(sendings, key=lambda sending: sending.item)


def _count(number: int) -> Text:
    return Text(str(number)) if number else Text("·", style=FAINT)


def _milliseconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1000:,.0f} ms"
