"""Nothing of the sample stands in the product's code: no code, no rule, no name."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.sample import FOLDER, rows

ROOT = FOLDER.parents[1]
PACKAGES = ("services", "shared", "deploy")


def _spoken() -> frozenset[str]:
    """Codes and names that would give the sample away wherever they stand within a string."""
    names = {row["name_vi"] for name in ("units.csv", "indicators.csv") for row in rows(name)}
    names |= {row["title_vi"] for row in rows("forms.csv")} | {row["name"] for row in rows("contacts.csv")}
    codes = {row["code"] for name in ("indicators.csv", "forms.csv", "rules.csv") for row in rows(name)}
    places = {row["name_vi"] for row in rows("codes.csv") if row["dimension"] == "GEO"}
    return frozenset(names | codes | places)


def _whole() -> frozenset[str]:
    """Short codes that give the sample away only as a string of their own."""
    units = {row["code"] for row in rows("units.csv")}
    districts = {row["code"] for row in rows("codes.csv") if row["dimension"] == "GEO"}
    dimensions = {row["id"] for row in rows("dimensions.csv")}
    telling = {name for name in dimensions if name == "GEO" or not name.isalpha()}  # others are plain words: PORT, TERM
    return frozenset(units | districts | telling)


def _strings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield the strings of a module that the program uses: no docstrings, no `examples` of a JSON schema."""
    told: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            told.add(id(node.value))
        shown: list[ast.expr] = []
        if isinstance(node, ast.keyword) and node.arg in ("examples", "description"):
            shown.append(node.value)
        if isinstance(node, ast.Dict):
            keyed = zip(node.keys, node.values, strict=True)
            shown += [value for key, value in keyed if isinstance(key, ast.Constant) and key.value == "examples"]
        told |= {id(inner) for value in shown for inner in ast.walk(value)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node


def _found(source: str) -> list[tuple[int, str]]:
    spoken, whole = _spoken(), _whole()
    return [
        (node.lineno, str(node.value))
        for node in _strings(ast.parse(source))
        if str(node.value) in whole or any(word in str(node.value) for word in spoken)
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_string_of_the_product_names_the_sample(package: str) -> None:
    found = {
        path.relative_to(ROOT).as_posix(): hits
        for path in sorted((ROOT / package).rglob("*.py"))
        if (hits := _found(path.read_text(encoding="utf-8")))
    }
    assert not found


@pytest.mark.parametrize(
    "planted",
    ['UNIT = "SKHDT"', 'if form == "001.T/BCH": pass', 'rule = "total(KH0301, GEO)"', 'name = f"Sở Tài chính {1}"'],
)
def test_a_planted_string_is_noticed(planted: str) -> None:
    assert _found(planted)


def test_docstrings_and_schema_examples_may_speak_of_the_sample(tmp_path: Path) -> None:
    assert not _found('"""Such as SKHDT/001.T%2FBCS-SKHDT/2024-06/estimate."""\nX = {"examples": ["KH0301"]}\n')
