"""The derived files are what the generator writes."""

import subprocess
import sys
from pathlib import Path

from tests.examples.sample import FOLDER

DERIVED = ("history/2023-06.csv", "history/2024-03.csv", "history/2024-05.csv", "reports-2024-06.csv",
           "expected-deadlines.csv")  # fmt: skip


def test_generating_again_writes_the_files_that_are_checked_in(tmp_path: Path) -> None:
    subprocess.run([sys.executable, FOLDER / "generate.py", "--out", tmp_path], check=True)
    written = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*.csv")}
    assert written == {name: (FOLDER / name).read_bytes() for name in DERIVED}


def test_the_generator_imports_the_standard_library_and_its_own_folder_alone() -> None:
    for path in FOLDER.glob("*.py"):
        words = [line.split()[1].partition(".")[0] for line in path.read_text(encoding="utf-8").splitlines()
                 if line.startswith(("import ", "from "))]  # fmt: skip
        assert set(words) <= set(sys.stdlib_module_names) | {"series"}, path.name
