"""What was acknowledged, and what the system says that it received."""

from collections.abc import Iterator
from datetime import timedelta

from demo.checks.imbalance import Books, Imbalance, compare
from demo.facts import Answer
from demo.ledger import Door, Outcome, Sending

ACCEPTED_STATUS = 202
RECEIPT_DELAY_MAX = timedelta(minutes=10)  # a run never comes nearer than this to a reminder or a deadline afterwards


def answers_to(books: Books, sending: Sending, kind: str) -> list[Answer]:
    """Return the answers of a kind to what went to Kafka: by its id, or by its offset where the id is unreadable."""
    name = name_of(books, sending)
    return books.answers.get((sending.unit, kind, name), []) if name is not None else []


def name_of(books: Books, sending: Sending) -> str | int | None:
    """Return how the answers call what went to Kafka: by its id, or by its offset where the id is unreadable."""
    if sending.ce_id is not None:
        return sending.ce_id
    sent = books.sent.get(sending.item)
    return sent.offset if sent is not None else None


def package_of(books: Books, sending: Sending) -> str | None:
    """Return the package's id as the door gave it, or None while there was no acknowledgement."""
    if sending.door is not Door.KAFKA:
        sent = books.sent.get(sending.item)
        return sent.package_id if sent is not None else None
    return next((answer.package_id for answer in answers_to(books, sending, "received")), None)


def each_package_is_acknowledged_once(books: Books) -> Iterator[Imbalance]:
    """Look for a `202` or exactly one `received` answer, which names the versions that the planter reckoned with.

    The same holds for an explanation, which is kept like a package.
    """
    for sending in books.with_outcome(Outcome.RECEIVED, Outcome.EXPLAINED):
        if sending.door is not Door.KAFKA:
            sent = books.sent.get(sending.item)
            status = sent.status if sent is not None else None
            if status != ACCEPTED_STATUS:
                yield Imbalance("package_not_acknowledged", sending.item, f"HTTP status {status}, expected 202")
            continue
        answers = answers_to(books, sending, "received")
        yield from compare("received_answer", [sending.item], [sending.item] * len(answers))
        wanted = [(report.delivery, report.version) for report in sending.reports]
        for answer in answers:
            seen = [(delivery, version) for delivery, version, _ in answer.reports]
            if sorted(seen) != sorted(wanted):
                yield Imbalance("received_answer_wrong", sending.item, f"names {seen}, expected {wanted}")


def each_answer_answers_something(books: Books) -> Iterator[Imbalance]:
    """Look for `received` and `verdict` answers to nothing that was sent to that unit's topic."""
    sent = {
        (sending.unit, sending.ce_id)
        for sending in books.with_outcome(Outcome.RECEIVED, Outcome.EXPLAINED)
        if sending.door is Door.KAFKA
    }
    for answer in books.facts.answers:
        if answer.kind != "rejected" and (answer.unit, answer.answers_id) not in sent:
            yield Imbalance("answer_unexpected", f"{answer.unit} {answer.kind}", f"answers {answer.answers_id}")


def each_version_is_received_once(books: Books) -> Iterator[Imbalance]:
    """Look for one event on `submissions` a version, none that nobody sent, with package and time as in the ledger."""
    sendings = books.with_outcome(Outcome.RECEIVED)
    wanted = {(report.delivery, report.version): sending for sending in sendings for report in sending.reports}
    current = [fact for fact in books.facts.received if books.is_current(fact.delivery)]
    yield from compare("version", wanted, ((fact.delivery, fact.version) for fact in current), _name)
    for fact in current:
        sending = wanted.get((fact.delivery, fact.version))
        if sending is None:
            continue
        package = package_of(books, sending)
        if package is not None and fact.package_id != package:
            yield Imbalance(
                "version_of_another_package", _name((fact.delivery, fact.version)), f"{fact.package_id}, not {package}"
            )
        if not timedelta(minutes=-1) < fact.received_at - sending.business_at < RECEIPT_DELAY_MAX:
            yield Imbalance(
                "received_at_wrong",
                _name((fact.delivery, fact.version)),
                f"{fact.received_at.isoformat()}, sent at {sending.business_at.isoformat()}",
            )


def _name(key: tuple[str, int]) -> str:
    return f"{key[0]} v{key[1]}"
