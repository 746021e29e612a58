import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from shared.delivery_id import DeliveryId, Status

units = st.from_regex(r"[A-Z0-9-]{1,32}", fullmatch=True)
forms = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=30).filter(
    lambda text: text.strip() and len(unicodedata.normalize("NFC", text)) <= 64
)


@given(units, forms, st.sampled_from(["2024-06", "2024-Q2", "2024-9M", "2024"]), st.sampled_from(Status))
def test_an_id_reads_back_what_it_writes(unit: str, form: str, period: str, status: Status) -> None:
    delivery = DeliveryId.of(unit, form, period, status)
    assert DeliveryId.parse(str(delivery)) == delivery
    assert str(delivery).count("/") == 3
    assert str(delivery).isascii()


def test_the_form_code_is_percent_encoded() -> None:
    delivery = DeliveryId.of("SKHDT", "001.T/BCS-SKHDT", "2024-06", "estimate")
    assert str(delivery) == "SKHDT/001.T%2FBCS-SKHDT/2024-06/estimate"


def test_codes_are_compared_after_normalisation() -> None:
    composed = DeliveryId.of("STC", "001.T/BCĐ-Đà", "2024-06", "final")
    decomposed = DeliveryId.of("STC", unicodedata.normalize("NFD", "001.T/BCĐ-Đà"), "2024-06", "final")
    assert composed == decomposed


@pytest.mark.parametrize(
    "text",
    [
        "SKHDT/001/2024-06",
        "skhdt/001/2024-06/estimate",
        "SKHDT/001/2024-06/guess",
        "SKHDT/001/2024-16/estimate",
        "SKHDT//2024-06/estimate",
        "SKHDT/001/x/2024-06/estimate",
        "SKHDT/%FF/2024-06/estimate",
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the parts raise their own messages
        DeliveryId.parse(text)


def test_an_id_travels_as_a_string_in_json() -> None:
    class Holder(BaseModel):
        delivery: DeliveryId

    holder = Holder(delivery=DeliveryId.of("STC", "002.H/BCS-STC", "2024-S1", "estimate"))
    assert holder.model_dump_json() == '{"delivery":"STC/002.H%2FBCS-STC/2024-S1/estimate"}'
    assert Holder.model_validate_json(holder.model_dump_json()) == holder


def test_statuses_grow_firmer() -> None:
    assert [status.rank for status in (Status.ESTIMATE, Status.PRELIMINARY, Status.FINAL)] == [0, 1, 2]
