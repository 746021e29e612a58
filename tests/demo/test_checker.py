"""The checker notices each kind of imbalance, and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.checker import Balance, check
from demo.facts import Answer, DeadLetter, DeadlineFact, Judgement, Mail, Notification, Received
from demo.ledger import ClockMoved
from tests.demo import world as w
from tests.demo.world import World, world

Spoiler = Callable[[World], World]
ThingT = TypeVar("ThingT")


def balance_of(spoiled: World) -> Balance:
    return check(spoiled.ledger, spoiled.facts, w.timetable(), [w.HISTORY])


def test_the_small_world_balances() -> None:
    assert balance_of(world()).imbalances == ()


def _second(fact: ThingT, **changes: object) -> ThingT:
    return replace(fact, event_id="another", **changes)  # type: ignore[type-var]


SPOILERS: dict[str, tuple[str, Spoiler]] = {
    "a 202 never came": ("package_not_acknowledged", lambda x: x.answered("p2.1", status=503)),
    "a received answer is lost": ("received_answer_missing", lambda x: x.without("answers", "received p1.1")),
    "a received answer is doubled": (
        "received_answer_doubled",
        lambda x: x.with_one_more("answers", _second(x.facts.answers[0])),
    ),
    "a received answer names another version": (
        "received_answer_wrong",
        lambda x: x.changed("answers", "received p1.2", reports=((w.MENDED, 1, None),)),
    ),
    "an answer goes to another unit": ("answer_unexpected", lambda x: x.changed("answers", "verdict p1.1", unit="B")),
    "an answer answers nothing": (
        "answer_unexpected",
        lambda x: x.with_one_more("answers", Answer("another", "A", "received", "p9.1", None, "pk-p9.1")),
    ),
    "an acknowledged version is lost": ("version_missing", lambda x: x.without("received", "received p2.1")),
    "a version is received twice": (
        "version_doubled",
        lambda x: x.with_one_more("received", _second(x.facts.received[0])),
    ),
    "a version nobody sent is received": (
        "version_unexpected",
        lambda x: x.with_one_more("received", Received("another", w.NEVER, 1, "pk-x", w.START)),
    ),
    "a version belongs to another package": (
        "version_of_another_package",
        lambda x: x.changed("received", "received p2.1", package_id="pk-other"),
    ),
    "a version is dated to another day": (
        "received_at_wrong",
        lambda x: x.changed("received", "received p5.1", received_at=w.LATE - timedelta(days=1)),
    ),
    "a judgement is lost": ("judgement_missing", lambda x: x.without("judgements", f"{w.RIGHT} v1.1")),
    "a judgement is doubled": (
        "judgement_doubled",
        lambda x: x.with_one_more("judgements", _second(x.facts.judgements[2])),
    ),
    "a version overtakes the one before": (
        "out_of_order",
        lambda x: x.reordered("received", lambda fact: (fact.delivery, -fact.version)),
    ),
    "a version is judged before the one that came first": (
        "out_of_order",
        lambda x: x.reordered("judgements", lambda fact: (fact.delivery, -fact.version)),
    ),
    "what is sent again over HTTP becomes another package": (
        "answer_changed",
        lambda x: x.sent_again("p2.1", package_id="pk-another"),
    ),
    "a version is judged again for no reason": (
        "judgement_unexpected",
        lambda x: x.with_one_more("judgements", Judgement("another", w.RIGHT, 1, 2, "returned", w.MACHINE)),
    ),
    "an explanation changes nothing": ("judgement_missing", lambda x: x.without("judgements", f"{w.EXPLAINED} v1.2")),
    "a verdict is wrong": (
        "verdict_wrong",
        lambda x: x.changed("judgements", f"{w.MENDED} v1.1", verdict="accepted"),
    ),
    "a verdict answer is lost": ("verdict_answer_missing", lambda x: x.without("answers", "verdict p1.1")),
    "a verdict answer is doubled": (
        "verdict_answer_doubled",
        lambda x: x.with_one_more("answers", _second(x.facts.answers[1])),
    ),
    "the answer to an explanation is lost": (
        "verdict_answer_missing",
        lambda x: x.without("answers", "again p4.1"),
    ),
    "an explanation is not acknowledged": (
        "received_answer_missing",
        lambda x: x.without("answers", "received p4.2"),
    ),
    "a verdict answer has another merged verdict": (
        "verdict_answer_wrong",
        lambda x: x.changed("answers", "verdict p1.1", verdict="accepted"),
    ),
    "the status address says something else": (
        "status_wrong",
        lambda x: x.changed("statuses", "pk-p2.1", verdict="returned"),
    ),
    "the status address says nothing": ("status_wrong", lambda x: x.without("statuses", "pk-p2.1")),
    "accepted figures are lost": (
        "figures_missing",
        lambda x: replace(x, facts=replace(x.facts, figures={w.MENDED: 2, w.EXPLAINED: 1, w.LATECOMER: 1})),
    ),
    "figures of a report nobody sent": (
        "figures_unexpected",
        lambda x: replace(x, facts=replace(x.facts, figures={**x.facts.figures, w.NEVER: 1})),
    ),
    "figures of a returned version": (
        "figures_wrong",
        lambda x: replace(x, facts=replace(x.facts, figures={**x.facts.figures, w.MENDED: 1})),
    ),
    "a rejected answer is lost": ("rejected_answer_missing", lambda x: x.without("answers", "rejected w1")),
    "a rejected answer is doubled": (
        "rejected_answer_doubled",
        lambda x: x.with_one_more("answers", _second(x.facts.answers[-2])),
    ),
    "a rejected answer has no findings": (
        "rejected_answer_without_findings",
        lambda x: x.changed("answers", "rejected w1", findings=()),
    ),
    "a good package is rejected": (
        "rejected_answer_unexpected",
        lambda x: x.with_one_more("answers", Answer("another", "A", "rejected", "p1.1", 0, None, findings=("?",))),
    ),
    "a wrong package over HTTP is taken": ("not_refused", lambda x: x.answered("w2", status=202)),
    "a wrong package over HTTP gets another error": ("not_refused", lambda x: x.answered("w2", status=400)),
    "a wrong package over HTTP is not told why": (
        "refused_without_findings",
        lambda x: x.answered("w2", finding_count=0),
    ),
    "garbage is not answered though its topic names the unit": (
        "rejected_answer_missing",
        lambda x: x.without("answers", "rejected g1"),
    ),
    "garbage is not set apart": ("dead_letter_missing", lambda x: x.without("dead_letters", "dead g1")),
    "garbage is set apart twice": (
        "dead_letter_doubled",
        lambda x: x.with_one_more("dead_letters", _second(x.facts.dead_letters[0])),
    ),
    "something else is set apart": (
        "dead_letter_unexpected",
        lambda x: x.with_one_more(
            "dead_letters", DeadLetter("another", "notify", "deadlines", 3, 7, "handler_failed", "")
        ),
    ),
    "garbage over HTTP is our fault": ("not_refused", lambda x: x.answered("g2", status=500)),
    "garbage over HTTP is let in": ("not_refused", lambda x: x.answered("g2", status=202)),
    "a delivery is not opened": ("opened_missing", lambda x: x.without("deadlines", f"opened {w.NEVER}")),
    "a delivery is opened twice": (
        "opened_doubled",
        lambda x: x.with_one_more("deadlines", _second(x.facts.deadlines[0])),
    ),
    "a delivery too many is opened": (
        "opened_unexpected",
        lambda x: x.with_one_more("deadlines", DeadlineFact("another", "opened", "C/F1/2024-06/final", 1, w.DUE)),
    ),
    "a due date is wrong": (
        "due_date_wrong",
        lambda x: x.changed("deadlines", f"opened {w.NEVER}", due_at=w.DUE + timedelta(days=1)),
    ),
    "a delivery is never met": ("met_missing", lambda x: x.without("deadlines", f"met {w.RIGHT}")),
    "a delivery is met twice": (
        "met_doubled",
        lambda x: x.with_one_more("deadlines", DeadlineFact("another", "met", w.RIGHT, 1, w.DUE, True, 1)),
    ),
    "a late report counts as in time": (
        "lateness_wrong",
        lambda x: x.changed("deadlines", f"met {w.LATECOMER}", in_time=True),
    ),
    "a report in time counts as late": (
        "lateness_wrong",
        lambda x: x.changed("deadlines", f"met {w.EXPLAINED}", in_time=False),
    ),
    "a delivery is met by a returned version": (
        "met_by_wrong",
        lambda x: x.changed("deadlines", f"met {w.MENDED}", version=1),
    ),
    "a deadline passes unnoticed": ("passed_missing", lambda x: x.without("deadlines", "passed never")),
    "a deadline passes for who was in time": (
        "passed_unexpected",
        lambda x: x.with_one_more("deadlines", DeadlineFact("another", "passed", w.RIGHT, 1, w.DUE)),
    ),
    "a delivery is closed for no reason": (
        "deadline_event_unexpected",
        lambda x: x.with_one_more("deadlines", DeadlineFact("another", "closed", w.NEVER, 1, w.DUE)),
    ),
    "a mail is lost": ("mail_missing", lambda x: x.without("mails", "m1")),
    "a mail comes again under another Message-ID": (
        "mail_doubled",
        lambda x: x.with_one_more("mails", replace(x.facts.mails[0], message_id="another")),
    ),
    "a mail goes to somebody else": ("mail_unexpected", lambda x: x.changed("mails", "m2", to=("b1@x.example",))),
    "a mail goes to who left": ("mail_unexpected", lambda x: x.changed("mails", "m5", to=("c2@x.example",))),
    "who has sent is reminded": (
        "mail_unexpected",
        lambda x: x.with_one_more("mails", Mail("another", ("b1@x.example",), "", ((w.RIGHT, "reminder:3"),))),
    ),
    "a delegate hears of a form that is not his": (
        "mail_unexpected",
        lambda x: x.with_one_more("mails", Mail("another", ("a2@x.example",), "", ((w.EXPLAINED, "reminder:3"),))),
    ),
    "a mail says no reason": ("mail_without_reason", lambda x: x.changed("mails", "m7", steps=())),
    "a mail goes to several": (
        "mail_to_several",
        lambda x: x.changed("mails", "m7", to=("c1@x.example", "b1@x.example")),
    ),
    "a mail is not on record": ("sent_notification_missing", lambda x: x.without("notifications", "sent m3")),
    "a mail on record never came": (
        "sent_notification_unexpected",
        lambda x: x.with_one_more(
            "notifications", Notification("another", "sent", "m9", "A-1", ((w.MENDED, "passed"),))
        ),
    ),
    "the record names another contact": (
        "sent_notification_wrong",
        lambda x: x.changed("notifications", "sent m3", contact="B-1"),
    ),
    "a mail failed": (
        "mail_failed",
        lambda x: x.with_one_more("notifications", Notification("another", "failed", "m1", "A-1", ())),
    ),
}


@pytest.mark.parametrize("name", SPOILERS)
def test_the_checker_notices_that(name: str) -> None:
    kind, spoil = SPOILERS[name]
    assert kind in balance_of(spoil(world())).by_kind()


def test_what_is_sent_again_and_answered_as_before_balances() -> None:
    assert balance_of(world().sent_again("p2.1")).balanced


def test_the_same_mail_arriving_twice_is_one_mail() -> None:
    balanced = world()
    assert balance_of(balanced.with_one_more("mails", balanced.facts.mails[0])).balanced


def test_what_is_not_due_yet_is_not_missed() -> None:
    """At any moment the books so far must balance: the planter waits by them."""
    entries = w.ledger()
    moved = next(index for index, entry in enumerate(entries) if isinstance(entry, ClockMoved))
    seen = w.facts()
    so_far = replace(
        seen,
        received=seen.received[:3],
        judgements=seen.judgements[:3],
        deadlines=seen.deadlines[:8],
        answers=tuple(answer for answer in seen.answers if answer.package_id != "pk-p4.1"),
        mails=seen.mails[:2],
        notifications=seen.notifications[:2],
        statuses=seen.statuses[:1],
        figures={w.MENDED: 2, w.RIGHT: 1},
    )
    assert balance_of(World(entries[:moved], so_far)).imbalances == ()


FIELDS = ("received", "judgements", "deadlines", "answers", "dead_letters", "mails", "notifications", "statuses")


@given(st.sampled_from(FIELDS), st.data())
def test_no_fact_can_be_lost_unnoticed(field: str, data: st.DataObject) -> None:
    """Except history, and the rest of a doubled thing, every fact carries weight."""
    facts = w.facts()
    every = getattr(facts, field)
    counted = [index for index, fact in enumerate(every) if getattr(fact, "delivery", "") != w.HISTORY]
    gone = data.draw(st.sampled_from(counted))
    kept = tuple(fact for index, fact in enumerate(every) if index != gone)
    assert not balance_of(World(w.ledger(), w.spoiled(facts, field, kept))).balanced


@given(st.sampled_from(FIELDS[:5]), st.data())
def test_no_event_can_be_doubled_unnoticed(field: str, data: st.DataObject) -> None:
    facts = w.facts()
    every = getattr(facts, field)
    counted = [fact for fact in every if getattr(fact, "delivery", "") != w.HISTORY]
    twin = _second(data.draw(st.sampled_from(counted)))
    assert not balance_of(World(w.ledger(), w.spoiled(facts, field, (*every, twin)))).balanced
