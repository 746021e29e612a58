"""Who is told."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.recipients import recipients
from shared.events.catalogue import ContactRole, ContactV1
from tests.builders.mailing import a_contact

DAY = date(2024, 6, 15)
FORM, OTHER = "001.T/BCS-A", "002.H/BCS-A"
contacts = st.lists(
    st.builds(
        a_contact,
        id=st.sampled_from(["1", "2", "3", "4"]),
        unit=st.sampled_from(["SO-A", "SO-B"]),
        role=st.sampled_from(ContactRole),
        forms=st.sampled_from([(), (FORM,), (OTHER,), (FORM, OTHER)]),
        valid_from=st.none() | st.dates(date(2024, 6, 1), date(2024, 6, 30)),
        valid_until=st.none() | st.dates(date(2024, 6, 1), date(2024, 6, 30)),
    ),
    unique_by=lambda contact: contact.id,
)


@given(contacts)
def test_only_the_unit_s_own_contacts_of_that_day_are_told(everybody: list[ContactV1]) -> None:
    for contact in recipients(everybody, "SO-A", FORM, DAY):
        assert contact.unit == "SO-A"
        assert contact.valid_from is None or contact.valid_from <= DAY
        assert contact.valid_until is None or contact.valid_until >= DAY


@given(contacts)
def test_the_order_of_the_contacts_does_not_matter(everybody: list[ContactV1]) -> None:
    assert recipients(everybody, "SO-A", FORM, DAY) == recipients(reversed(everybody), "SO-A", FORM, DAY)


def test_a_responsible_contact_is_told_about_every_form() -> None:
    limited = a_contact(forms=(OTHER,))
    assert recipients([limited], "SO-A", FORM, DAY) == (limited,)


def test_a_delegate_is_told_about_its_forms_only() -> None:
    delegate = a_contact(id="2", role=ContactRole.DELEGATE, forms=(OTHER,))
    assert recipients([delegate], "SO-A", FORM, DAY) == ()
    assert recipients([delegate], "SO-A", OTHER, DAY) == (delegate,)
    of_all = a_contact(id="3", role=ContactRole.DELEGATE)
    assert recipients([of_all], "SO-A", FORM, DAY) == (of_all,)


def test_the_first_and_the_last_day_of_a_contact_belong_to_it() -> None:
    one_day = a_contact(valid_from=DAY, valid_until=DAY)
    assert recipients([one_day], "SO-A", FORM, DAY) == (one_day,)
    assert recipients([one_day], "SO-A", FORM, date(2024, 6, 14)) == ()
    assert recipients([one_day], "SO-A", FORM, date(2024, 6, 16)) == ()
