"""The life of each deadline: opened, passed, met, each once and in time or late as the ledger says."""

from collections.abc import Iterator

from demo.checks.imbalance import Books, Imbalance, compare


def each_delivery_is_opened_once(books: Books) -> Iterator[Imbalance]:
    """Exactly the deliveries of the timetable are opened, with their due dates. What has no due date is history.

    A delivery that opens later than the last move of the clock need not be seen yet.
    """
    opened = [fact for fact in books.facts.deadlines if fact.change == "opened" and fact.due_at is not None]
    stories = books.expected.stories
    wanted = (name for name, story in stories.items() if story.due.opens_at <= story.until)
    yield from compare("opened", wanted, (fact.delivery for fact in opened))
    for fact in opened:
        story = stories.get(fact.delivery)
        if story is not None and fact.due_at != story.due.due_at:
            yield Imbalance("due_date_wrong", fact.delivery, f"{fact.due_at}, expected {story.due.due_at}")


def each_delivery_ends_as_it_must(books: Books) -> Iterator[Imbalance]:
    """One `met` for each delivery that is met, in time or late as expected; one `passed` for each that passes."""
    stories = books.expected.stories
    current = [fact for fact in books.facts.deadlines if books.is_current(fact.delivery) and fact.due_at is not None]
    met = [fact for fact in current if fact.change == "met"]
    yield from compare("met", (name for name, story in stories.items() if story.met_by), (f.delivery for f in met))
    passed = (fact.delivery for fact in current if fact.change == "passed")
    yield from compare("passed", (name for name, story in stories.items() if story.passes), passed)
    for fact in met:
        story = stories.get(fact.delivery)
        if story is None or story.met_by is None:
            continue
        seen = "met_in_time" if fact.in_time else "met_late"
        if seen != story.state:
            yield Imbalance("lateness_wrong", fact.delivery, f"{seen}, expected {story.state}")
        if fact.version != story.met_by.number:
            yield Imbalance("met_by_wrong", fact.delivery, f"v{fact.version}, expected v{story.met_by.number}")
    for fact in current:
        if fact.change not in {"opened", "met", "passed"}:
            yield Imbalance("deadline_event_unexpected", fact.delivery, fact.change)
