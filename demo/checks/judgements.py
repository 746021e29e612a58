"""Verdicts, the answers that carry them, and the figures that they let through."""

from collections.abc import Iterator

from demo.checks.arrivals import answers_to, package_of
from demo.checks.imbalance import Books, Imbalance, compare
from demo.ledger import Door, Outcome, Sending, Verdict, worst

JudgementKey = tuple[str, int, int]


def expected_judgements(books: Books) -> dict[JudgementKey, Verdict]:
    """Return the verdict of each (delivery, version, judgement number)."""
    first = {
        (report.delivery, report.version, 1): report.verdict
        for sending in books.with_outcome(Outcome.RECEIVED)
        for report in sending.reports
    }
    later = {
        (report.delivery, report.version, 2): report.verdict
        for sending in books.with_outcome(Outcome.EXPLAINED)
        for report in sending.reports
    }
    return {**first, **later}


def each_version_has_its_judgement(books: Books) -> Iterator[Imbalance]:
    """Look for one judgement 1 a version and one judgement 2 an explanation, each as the planter expected."""
    wanted = expected_judgements(books)
    current = [fact for fact in books.facts.judgements if books.is_current(fact.delivery)]
    yield from compare("judgement", wanted, ((fact.delivery, fact.version, fact.number) for fact in current), _name)
    for fact in current:
        key = (fact.delivery, fact.version, fact.number)
        if key in wanted and fact.verdict != wanted[key]:
            yield Imbalance("verdict_wrong", _name(key), f"{fact.verdict}, expected {wanted[key].value}")


def each_package_has_its_answer(books: Books) -> Iterator[Imbalance]:
    """Look for the merged verdict where a package came from: a `verdict` answer, or the status address."""
    statuses = {status.package_id: status.verdict for status in books.facts.statuses}
    explained = {
        (report.delivery, report.version): report.verdict
        for sending in books.with_outcome(Outcome.EXPLAINED)
        for report in sending.reports
    }
    for sending in books.with_outcome(Outcome.RECEIVED):
        if sending.door is Door.KAFKA:
            yield from _verdict_answer(books, sending)
            continue
        package = package_of(books, sending)
        verdict = worst(explained.get((report.delivery, report.version), report.verdict) for report in sending.reports)
        if package is not None and statuses.get(package) != verdict:
            yield Imbalance("status_wrong", sending.item, f"{statuses.get(package)}, expected {verdict.value}")


def _verdict_answer(books: Books, sending: Sending) -> Iterator[Imbalance]:
    firsts = [
        answer
        for answer in answers_to(books, sending, "verdict")
        if sorted((delivery, version, verdict) for delivery, version, verdict in answer.reports)
        == sorted((report.delivery, report.version, report.verdict.value) for report in sending.reports)
    ]
    yield from compare("verdict_answer", [sending.item], [sending.item] * len(firsts))
    verdict = worst(report.verdict for report in sending.reports)
    for answer in firsts:
        if answer.verdict != verdict:
            yield Imbalance("verdict_answer_wrong", sending.item, f"{answer.verdict}, expected {verdict.value}")


def figures_are_the_accepted_ones(books: Books) -> Iterator[Imbalance]:
    """Each accepted delivery has figures, of its last acceptable version; no other delivery has any."""
    wanted = {}
    for delivery, story in books.expected.stories.items():
        accepted = [v.number for v in story.versions if v.verdict_by(story.until).acceptable]
        if accepted:
            wanted[delivery] = accepted[-1]
    seen = {delivery: version for delivery, version in books.facts.figures.items() if books.is_current(delivery)}
    yield from compare("figures", wanted, seen)
    for delivery in wanted.keys() & seen.keys():
        if wanted[delivery] != seen[delivery]:
            yield Imbalance("figures_wrong", delivery, f"version {seen[delivery]}, expected {wanted[delivery]}")


def _name(key: JudgementKey) -> str:
    return f"{key[0]} v{key[1]} judgement {key[2]}"
