"""A JSON body that does not fit says so field by field."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.findings import FINDINGS_SHOWN_MAX
from services.ingest.domain.schema import NotJsonError, read_body
from shared.events.agency import ExplanationV1, PackageV1
from tests.ingest.domain.packages import a_package, a_report, an_observation


def findings_of(body: Any) -> list[tuple[str | None, str]]:
    read = read_body(json.dumps(body).encode(), PackageV1)
    assert isinstance(read, tuple)
    assert {each.rule for each in read} == {"door.schema"}
    assert all(each.message.vi and each.mend and each.mend.vi for each in read)
    return [(each.document, each.message.en) for each in read]


def test_a_good_package_is_read() -> None:
    read = read_body(json.dumps(a_package()).encode(), PackageV1)
    assert isinstance(read, PackageV1)
    assert read.reports[0].observations[0].indicator == "I1"


@pytest.mark.parametrize("body", [b"", b"Kinh gui", b"{", b'"text"', b"[]", b"\xff\xfe", b"{'form': 1}"])
def test_what_is_no_json_object_is_told_apart_from_what_does_not_fit(body: bytes) -> None:
    with pytest.raises(NotJsonError):
        read_body(body, PackageV1)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"reports": [a_report()]}, "form"),
        (a_package(unit="SO-B"), "unit"),
        (a_package(a_report("2024-13")), "reports[0].period"),
        (a_package(a_report("2024-06", "uoc tinh")), "reports[0].status"),
        (a_package({"period": "2024-06", "status": "estimate"}), "reports[0].observations"),
        (a_package(a_report("2024-06", "estimate", {"value": 1})), "reports[0].observations[0].indicator"),
        (a_package(a_report("2024-06", "estimate", an_observation(value=[1]))), "reports[0].observations[0].value"),
        (a_package(a_report("2024-06", "estimate", an_observation(value=True))), "reports[0].observations[0].value"),
        ({"form": "X", "reports": []}, "reports"),
    ],
)
def test_each_misfit_is_named_by_its_path(body: dict[str, Any], where: str) -> None:
    assert [path for path, _ in findings_of(body)] == [where]


def test_the_unit_cannot_be_named_in_the_body() -> None:
    assert findings_of(a_package(unit_code="SO-B"))[0][0] == "unit_code"


def test_all_misfits_are_said_at_once_and_capped() -> None:
    bad = [{"value": 1}] * (FINDINGS_SHOWN_MAX + 5)
    read = read_body(json.dumps(a_package(a_report("2024-06", "estimate", *bad))).encode(), PackageV1)
    assert isinstance(read, tuple)
    assert len(read) == FINDINGS_SHOWN_MAX + 1
    assert read[-1].observed == str(FINDINGS_SHOWN_MAX + 5)


def test_a_character_that_no_database_stores_is_refused() -> None:
    body = json.dumps(a_package(document_number="12\x00/BC")).encode()
    read = read_body(body, PackageV1)
    assert isinstance(read, tuple)
    assert "U+0000" in read[0].message.en
    assert isinstance(read_body(json.dumps(a_package(document_number=r"\u0000")).encode(), PackageV1), PackageV1)


def test_an_explanation_is_read_by_its_own_model() -> None:
    body = {"form": "X", "period": "2024-06", "status": "estimate", "explanations": [{"rule": "R1", "text": "vì"}]}
    assert isinstance(read_body(json.dumps(body).encode(), ExplanationV1), ExplanationV1)
    read = read_body(json.dumps(body | {"explanations": []}).encode(), ExplanationV1)
    assert isinstance(read, tuple)
    assert read[0].document == "explanations"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["form", "reports", "document_number", "on_behalf_of", "x"]), json_values))
def test_no_json_makes_the_door_fall(body: dict[str, Any]) -> None:
    read = read_body(json.dumps(body).encode(), PackageV1)
    assert isinstance(read, PackageV1 | tuple)


@given(st.binary(max_size=40))
def test_no_bytes_make_the_door_fall(body: bytes) -> None:
    try:
        read = read_body(body, PackageV1)
    except NotJsonError:
        return
    assert isinstance(read, tuple)
