"""Wrong packages and garbage: each is told once, set apart once, and costs nothing else."""

from collections.abc import Iterator

from demo.checks.arrivals import answers_to, name_of
from demo.checks.imbalance import Books, Imbalance, compare
from demo.ledger import Door, Outcome, Sending, Sent

UNPROCESSABLE_STATUS = 422
CLIENT_ERRORS = range(400, 500)


def each_wrong_package_is_rejected_once(books: Books) -> Iterator[Imbalance]:
    """Exactly one `rejected` answer with findings on the topic, or a 422 with findings; nobody else is rejected."""
    rejected: set[str] = set()
    wanted = []
    for sending in books.with_outcome(Outcome.REJECTED, Outcome.DEAD_LETTER):
        if sending.door is not Door.KAFKA:
            yield from _refused(books, sending, UNPROCESSABLE_STATUS, with_findings=True)
            continue
        wanted.append((sending.unit, name_of(books, sending)))
        for answer in answers_to(books, sending, "rejected"):
            rejected.add(answer.event_id)
            if not answer.findings:
                yield Imbalance("rejected_answer_without_findings", sending.item, answer.event_id)
    # Two may have one name, where it is an offset: the broker lost its disk in between.
    seen = [(answer.unit, answer.name) for answer in books.facts.answers if answer.event_id in rejected]
    yield from compare("rejected_answer", wanted, seen, lambda key: f"{key[0]} {key[1]}")
    for answer in books.facts.answers:
        if answer.kind == "rejected" and answer.event_id not in rejected:
            yield Imbalance(
                "rejected_answer_unexpected",
                f"{answer.unit} {answer.answers_id or answer.answers_offset}",
                "; ".join(answer.findings),
            )


def each_garbage_item_is_set_apart_once(books: Books) -> Iterator[Imbalance]:
    """One dead letter an item from Kafka, one 4xx an item from HTTP, and no dead letter that nobody sent."""
    wanted = []
    for sending in books.with_outcome(Outcome.DEAD_LETTER):
        sent = books.sent.get(sending.item)
        wanted.append((f"agency.{sending.unit}.submissions", sent.offset if sent is not None else None))
    seen = ((letter.topic, letter.offset) for letter in books.facts.dead_letters)
    yield from compare("dead_letter", wanted, seen, lambda key: f"{key[0]}@{key[1]}")
    for sending in books.with_outcome(Outcome.REFUSED):
        yield from _refused(books, sending, sending.status_expected, with_findings=False)


def each_repetition_is_answered_alike(books: Books) -> Iterator[Imbalance]:
    """Look for the first answer, its status and its package, whenever a thing was sent again over HTTP."""
    first: dict[str, Sent] = {}
    for entry in books.ledger:
        if not isinstance(entry, Sent) or entry.status is None:
            continue
        before = first.setdefault(entry.item, entry)
        if (entry.status, entry.package_id) != (before.status, before.package_id):
            yield Imbalance(
                "answer_changed",
                entry.item,
                f"{entry.status} {entry.package_id}, at first {before.status} {before.package_id}",
            )


def _refused(books: Books, sending: Sending, status: int | None, *, with_findings: bool) -> Iterator[Imbalance]:
    sent = books.sent.get(sending.item)
    seen = sent.status if sent is not None else None
    if sent is None or seen is None or seen not in CLIENT_ERRORS or (status is not None and seen != status):
        yield Imbalance("not_refused", sending.item, f"HTTP status {seen}, expected {status or '4xx'}")
    elif with_findings and not sent.finding_count:
        yield Imbalance("refused_without_findings", sending.item, f"HTTP status {seen}")
