"""The integrator guide says all that a sender may be told."""

import re
from pathlib import Path

import pytest

from services.ingest.domain.findings import Door
from services.ingest.settings import IngestSettings
from shared.bus.topics import AGENCY_ANSWERS, AGENCY_SUBMISSIONS
from shared.events.findings import Verdict

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "agency.md").read_text("utf-8")


@pytest.mark.parametrize("code", Door)
def test_each_code_of_a_finding_is_explained(code: Door) -> None:
    named = f"`{code.value}`" in GUIDE or (code.value.startswith("door.workbook_") and "`door.workbook_…`" in GUIDE)
    assert named


def test_each_verdict_and_each_event_type_is_explained() -> None:
    for verdict in Verdict:
        assert f"`{verdict.value}`" in GUIDE
    for data_type in (*AGENCY_SUBMISSIONS.types, *AGENCY_ANSWERS.types):
        assert data_type.ce_type in GUIDE


def test_it_names_no_code_that_there_is_not() -> None:
    named = set(re.findall(r"`(door\.[a-z_]+)`", GUIDE))
    assert named <= {code.value for code in Door}


def test_its_limits_are_the_real_ones() -> None:
    settings = IngestSettings()
    assert f"at most {settings.package_bytes_max // 1024} KiB" in GUIDE
    assert f"At most {settings.body_bytes_max // 1024 // 1024} MiB" in GUIDE
