"""Rules of the house that no other tool checks."""

import ast
import csv
import re
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

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


def sample_names() -> Iterator[tuple[str, str]]:
    sample = ROOT / "examples" / "khanh-hoa"
    for name, column in (
        ("units.csv", "code"),
        ("units.csv", "name_vi"),
        ("indicators.csv", "code"),
        ("indicators.csv", "name_vi"),
        ("forms.csv", "code"),
        ("rules.csv", "code"),
        ("contacts.csv", "email"),
    ):
        with (sample / name).open(encoding="utf-8") as file:
            yield from ((name, row[column]) for row in csv.DictReader(file) if len(row[column]) > 2)


def test_nothing_of_the_sample_stands_in_the_code() -> None:
    """Docstrings and messages may show an example; code may not compare with one or hold a value of the sample."""
    names = {value for _, value in sample_names()}
    found = []
    for path in python_files(*CODE):
        tree = ast.parse(path.read_text("utf-8"))
        documentation = {id(node) for node in documentation_strings(tree)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
                found += [f"{path.relative_to(ROOT)}:{node.lineno}: {name}" for name in names if name == node.value]
            elif isinstance(node, ast.Name | ast.Attribute):
                name = node.id if isinstance(node, ast.Name) else node.attr
                found += [f"{path.relative_to(ROOT)}:{node.lineno}: {name}"] if name in names else []
    assert not found


def documentation_strings(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


@pytest.mark.parametrize("folder", ["services", "shared"])
def test_the_sample_check_would_notice_a_planted_name(folder: str) -> None:
    names = {value for _, value in sample_names()}
    planted = ast.parse('if unit == "SKHDT":\n    pass')
    constants = {node.value for node in ast.walk(planted) if isinstance(node, ast.Constant)}
    assert constants & names, f"the check of {folder} looks for names that the sample does not have"


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


def test_no_broad_except_outside_the_quarantine_boundary() -> None:
    allowed = {"shared/bus/consumer.py"}
    broad = []
    for path in python_files(*CODE):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                names = {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)} if node.type else {"everything"}
                if names & {"Exception", "BaseException", "everything"}:
                    broad.append(str(path.relative_to(ROOT)))
    assert set(broad) <= allowed, broad
