from pathlib import Path

import pytest

from tests.generated import differences, generated_files


def test_the_checked_in_files_are_what_the_code_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert differences(generated_files()) == []


def test_a_changed_file_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.md").write_text("old")
    assert differences({Path("a.md"): "new", Path("b.md"): "absent"}) == [Path("a.md"), Path("b.md")]
