"""Which steps become one mail, and what names it."""

import random
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.mails import deliveries_header, message_id, plan_mails
from services.notify.domain.steps import Step, judgement_of, passed_step, reminder_step, returned_step
from shared.delivery_id import DeliveryId
from shared.events.catalogue import ContactRole, ContactV1
from shared.events.notifications import Notice
from tests.builders.mailing import DUE, ID, a_contact

ZONE = "Asia/Ho_Chi_Minh"
OTHER = DeliveryId.of("SO-A", "002.H/BCS-A", "2024-Q2", "estimate")
AT = datetime(2024, 6, 15, 1, tzinfo=UTC)
PACKAGE = UUID(int=7)
steps = st.one_of(
    st.builds(
        reminder_step, st.sampled_from([ID, OTHER]), st.sampled_from([1, 2]), st.sampled_from([1, 3]), st.just(AT)
    ),
    st.builds(passed_step, st.sampled_from([ID, OTHER]), st.sampled_from([1, 2]), st.just(DUE)),
    st.builds(
        returned_step,
        st.sampled_from([ID, OTHER]),
        st.integers(1, 3),
        st.integers(1, 2),
        st.sampled_from([PACKAGE, UUID(int=8)]),
        st.just(AT),
    ),
)
contacts = st.lists(
    st.builds(
        a_contact,
        id=st.sampled_from(["1", "2", "3"]),
        role=st.sampled_from(ContactRole),
        forms=st.sampled_from([(), (ID.form,), (OTHER.form,)]),
    ),
    unique_by=lambda contact: contact.id,
)


@given(st.lists(steps, max_size=12), contacts)
def test_each_step_is_in_exactly_one_mail_of_each_recipient(told: list[Step], everybody: list[ContactV1]) -> None:
    mails = plan_mails(told, everybody, ZONE)
    named = [(mail.contact_id, step) for mail in mails for step in mail.steps]
    assert len(named) == len(set(named))
    for contact in everybody:
        covered = {
            step
            for step in told
            if contact.role is ContactRole.RESPONSIBLE or not contact.forms or step.delivery.form in contact.forms
        }
        assert {step for contact_id, step in named if contact_id == contact.id} == covered


@given(st.lists(steps, max_size=12), contacts)
def test_one_mail_has_one_kind_and_one_occasion(told: list[Step], everybody: list[ContactV1]) -> None:
    mails = plan_mails(told, everybody, ZONE)
    assert len({(mail.contact_id, mail.occasion) for mail in mails}) == len(mails)
    for mail in mails:
        assert {(step.kind, step.occasion) for step in mail.steps} == {(mail.kind, mail.occasion)}


@given(st.lists(steps, max_size=12), contacts)
def test_the_order_of_the_steps_does_not_matter(told: list[Step], everybody: list[ContactV1]) -> None:
    assert plan_mails(told, everybody, ZONE) == plan_mails(reversed(told), everybody[::-1], ZONE)


def test_what_is_due_at_the_same_instant_shares_a_mail() -> None:
    (mail,) = plan_mails([reminder_step(ID, 1, 3, AT), reminder_step(OTHER, 1, 3, AT)], [a_contact()], ZONE)
    assert [str(notice.delivery_id) for notice in mail.notices] == [str(ID), str(OTHER)]


def test_another_package_has_a_mail_of_its_own() -> None:
    told = [returned_step(ID, 1, 1, PACKAGE, AT), returned_step(OTHER, 1, 1, UUID(int=8), AT)]
    assert len(plan_mails(told, [a_contact()], ZONE)) == 2


def test_the_contact_of_the_step_s_own_day_is_told() -> None:
    """00:30 on 19 June in Vietnam is 18 June in UTC; from the 19th on there is a new contact."""
    old = a_contact(id="old", valid_until=date(2024, 6, 18))
    new = a_contact(id="new", valid_from=date(2024, 6, 19))
    passed = passed_step(ID, 1, datetime(2024, 6, 18, 17, 30, tzinfo=UTC))
    assert [mail.contact_id for mail in plan_mails([passed], [old, new], ZONE)] == ["new"]


@given(st.lists(steps, min_size=1, unique=True), st.randoms())
def test_a_message_id_depends_on_contact_and_notices_alone(told: list[Step], chance: random.Random) -> None:
    notices = [Notice(delivery_id=step.delivery, step=step.name) for step in told]
    first = message_id("1", notices, "so.example")
    chance.shuffle(notices)
    assert message_id("1", notices, "so.example") == first
    assert message_id("2", notices, "so.example") != first
    assert message_id("1", [*notices, Notice(delivery_id=ID, step="reminder:99")], "so.example") != first
    assert first.startswith("<")
    assert first.endswith("@so.example>")


def test_a_message_id_stays_the_same_over_releases_of_the_program() -> None:
    """A mail whose outcome was lost is sent again by the next version of notify: the receiver must see the same id."""
    notices = [Notice(delivery_id=ID, step="reminder:3")]
    assert message_id("SO-A-1", notices, "so.example") == "<c998e363-e703-5c4f-ae0c-b44fc0707441@so.example>"


def test_the_header_names_each_delivery_with_its_step() -> None:
    notices = [Notice(delivery_id=ID, step="passed"), Notice(delivery_id=OTHER, step="reminder:3:2")]
    assert deliveries_header(notices) == (
        "SO-A/001.T%2FBCS-A/2024-06/estimate;step=passed, SO-A/002.H%2FBCS-A/2024-Q2/estimate;step=reminder:3:2"
    )


def test_steps_of_a_later_date_have_names_of_their_own() -> None:
    assert [reminder_step(ID, version, 3, AT).name for version in (1, 2, 3)] == [
        "reminder:3",
        "reminder:3:2",
        "reminder:3:3",
    ]
    assert [passed_step(ID, version, DUE).name for version in (1, 2)] == ["passed", "passed:2"]


def test_a_returned_step_knows_its_judgement() -> None:
    assert judgement_of(returned_step(ID, 12, 3, PACKAGE, AT).name) == (12, 3)


@pytest.mark.parametrize("other", ["reminder:3", "passed", "returned", "returned:1", "returned:a.b"])
def test_another_step_has_no_judgement(other: str) -> None:
    with pytest.raises(ValueError, match=r"returned report|invalid literal"):
        judgement_of(other)


def test_reminders_of_different_instants_do_not_share_a_mail() -> None:
    told = [reminder_step(ID, 1, 3, AT), reminder_step(OTHER, 1, 3, AT + timedelta(days=1))]
    assert len(plan_mails(told, [a_contact()], ZONE)) == 2
