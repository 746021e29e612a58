"""The page about outages names tests that there are, and figures that are the code's."""

import re
from pathlib import Path

from services.ingest.settings import IngestSettings
from services.notify.mail_health import CONTACTS_MIN
from services.notify.settings import NotifySettings
from shared.bus.lock_session import IDLE_SECONDS_MAX
from shared.database import ANSWER_SECONDS_MAX, IDLE_TRANSACTION_SECONDS

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "operations" / "outages.md").read_text("utf-8")


def test_each_test_that_it_names_is_there() -> None:
    rows = re.findall(r"^\| (?:`(tests/\S+)`)? ?\| `(test_\w+)` \|$", PAGE, re.MULTILINE)
    assert len(rows) > 10
    file = ""
    for given, name in rows:
        file = given or file
        assert f"def {name}(" in (PROJECT / file).read_text("utf-8"), f"{file} has no {name}"


def test_its_figures_are_the_code_s() -> None:
    assert f"for its lease ({IngestSettings().lease_seconds:.0f} s)" in PAGE
    assert f"its outbox slots {IDLE_SECONDS_MAX:.0f} s" in PAGE
    assert f"has locked {IDLE_TRANSACTION_SECONDS:.0f} s" in PAGE
    assert f"`database` after {ANSWER_SECONDS_MAX:.0f} s" in PAGE
    assert (
        f"after {NotifySettings().retry_first_seconds:.0f} s … {NotifySettings().retry_seconds_max / 60:.0f} min"
        in PAGE
    )
    assert CONTACTS_MIN == 2, "the page says two people's"
