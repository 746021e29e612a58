"""Rules of the house that no other tool checks."""

import ast
import re
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = ("services", "shared", "deploy")
LINES_MAX = 400


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def test_no_file_is_over_400_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in python_files(*CODE, "demo", "tests")
        if (count := len(path.read_text("utf-8").splitlines())) > LINES_MAX
    }
    assert not long, "one subject a file: split these"


def test_storage_never_commits() -> None:
    committing = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in python_files("services")
        if "storage" in path.parts and "migrations" not in path.parts
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"commit", "rollback", "begin"}
    ]
    assert not committing, "the edge commits: shared/bus/unit_of_work.py"


def test_no_service_knows_that_it_is_tested_or_shown() -> None:
    flag = re.compile(r"\bif\b[^\n]*\b(testing|demo|is_test|under_test)\b", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in python_files("services", "shared")
        for line in path.read_text("utf-8").splitlines()
        if flag.search(line)
    ]
    assert not found


def test_no_locked_dependency_brings_a_package_of_our_names() -> None:
    """pip lets one distribution's `shared/` overwrite another's without a word."""
    owners = packages_distributions()
    for name in (*CODE, "demo"):
        assert set(owners.get(name, ["lienthong"])) <= {"lienthong"}, name


def test_lock_files_have_hashes_and_name_no_host() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text("utf-8")
        assert "--hash=sha256:" in text
        assert not re.search(r"https?://|--index-url|--find-links", text), path.name


def raises_again(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))


def test_no_broad_except_outside_the_quarantine_boundary() -> None:
    # Each says why: a message, a record or a slot that fails must not stop the others.
    allowed = {"shared/bus/consumer.py", "shared/bus/relay.py", "shared/bus/table.py"}
    broad = []
    for path in python_files(*CODE):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ExceptHandler) and not raises_again(node):
                names = {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)} if node.type else {"everything"}
                if names & {"Exception", "BaseException", "everything"}:
                    broad.append(str(path.relative_to(ROOT)))
    assert set(broad) <= allowed, broad
