"""Verdicts, the answers that carry them, and the figures that they let through."""

from collections.abc import Iterator, Mapping

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
    explained = _explained(books)
    for sending in books.with_outcome(Outcome.RECEIVED):
        if sending.door is Door.KAFKA:
            yield from _verdict_answers(books, sending, explained)
            continue
        package = package_of(books, sending)
        verdict = worst(explained.get((report.delivery, report.version), report.verdict) for report in sending.reports)
        if package is not None and statuses.get(package) != verdict:
            yield Imbalance("status_wrong", sending.item, f"{statuses.get(package)}, expected {verdict.value}")


def _explained(books: Books) -> dict[tuple[str, int], Verdict]:
    return {
        (report.delivery, report.version): report.verdict
        for sending in books.with_outcome(Outcome.EXPLAINED)
        for report in sending.reports
    }


def _verdict_answers(
    books: Books, sending: Sending, explained: Mapping[tuple[str, int], Verdict]
) -> Iterator[Imbalance]:
    """Look for one answer with all judgements 1, and another one once an explanation has changed a verdict."""
    current = {(report.delivery, report.version): report.verdict for report in sending.reports}
    wanted = [_shown(current)]
    for key in current.keys() & explained.keys():
        current[key] = explained[key]
        wanted.append(_shown(current))
    answers = answers_to(books, sending, "verdict")
    seen = [
        tuple(sorted((delivery, version, verdict or "") for delivery, version, verdict in a.reports)) for a in answers
    ]
    yield from compare("verdict_answer", wanted, seen, lambda key: f"{sending.item} {key}")
    for answer in answers:
        verdict = worst(Verdict(verdict) for _, _, verdict in answer.reports if verdict is not None)
        if answer.verdict != verdict:
            yield Imbalance("verdict_answer_wrong", sending.item, f"{answer.verdict}, expected {verdict.value}")


def _shown(verdicts: Mapping[tuple[str, int], Verdict]) -> tuple[tuple[str, int, str], ...]:
    return tuple(sorted((delivery, version, verdict.value) for (delivery, version), verdict in verdicts.items()))


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
