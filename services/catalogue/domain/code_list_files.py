"""Reads code lists (phân tổ): dimensions.csv names them, codes.csv lists their codes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from services.catalogue.domain.references import check_known, duplicate
from services.catalogue.domain.sheets import Findings, Row, read_rows
from services.catalogue.domain.versions import in_order, validity
from shared.events.catalogue import Code, CodeListV1, CodeListVersion, Valid
from shared.events.cells import TOTAL_CODE
from shared.text import Text

DIMENSIONS, CODES = "dimensions.csv", "codes.csv"
ONE_DAY = timedelta(days=1)


class _Member(Valid):
    """One code and when it belongs to its list."""

    code: Code


@dataclass(frozen=True, slots=True)
class _Head:
    name: Text
    validity: Mapping[str, date | None]


def read_code_lists(dimensions: str, codes: str, findings: Findings) -> dict[str, CodeListV1]:
    """Read both files. Whenever a code begins or ends, its list has a new version."""
    heads = _read_heads(dimensions, findings)
    members = _read_members(codes, heads, findings)
    return {
        identifier: CodeListV1(id=identifier, versions=_versions(head, members.get(identifier, ())))
        for identifier, head in heads.items()
    }


def _read_heads(content: str, findings: Findings) -> dict[str, _Head]:
    heads: dict[str, _Head] = {}
    for row in read_rows(DIMENSIONS, content, ("id", "name_vi"), findings):
        identifier, name = row.text("id"), row.name()
        if identifier in heads:
            duplicate(row, "id", identifier)
        dates = validity(row)
        if identifier:
            heads.setdefault(identifier, _Head(name, dates))
    return heads


def _read_members(content: str, heads: Mapping[str, _Head], findings: Findings) -> dict[str, list[_Member]]:
    found: dict[tuple[str, str], list[tuple[Row, _Member]]] = defaultdict(list)
    for row in read_rows(CODES, content, ("dimension", "code", "name_vi"), findings):
        dimension, code = row.text("dimension"), row.text("code")
        check_known(row, "dimension", dimension, heads)
        if code == TOTAL_CODE:
            row.fault(
                "code",
                Text(vi=f"«{TOTAL_CODE}» là dòng tổng, luôn có sẵn", en=f"“{TOTAL_CODE}” is the total, always there"),
                Text(vi="Xóa dòng này", en="Delete this row"),
            )
        member = _Member(code=Code(code=code, name=row.name(), parent=row.optional("parent")), **validity(row))
        if dimension and code:
            found[dimension, code].append((row, member))
    members: dict[str, list[_Member]] = defaultdict(list)
    for (dimension, _), rows in found.items():
        members[dimension] += in_order(rows)
        for row, member in rows:
            if member.code.parent is not None and (dimension, member.code.parent) not in found:
                check_known(row, "parent", member.code.parent, ())
    return members


def _versions(head: _Head, members: Sequence[_Member]) -> tuple[CodeListVersion, ...]:
    starts = {member.valid_from for member in members if member.valid_from}
    starts |= {member.valid_until + ONE_DAY for member in members if member.valid_until}
    first, last = head.validity["valid_from"], head.validity["valid_until"]
    inside = sorted(day for day in starts if (first is None or first < day) and (last is None or day <= last))
    bounds = [first, *inside]
    ends = [*(day - ONE_DAY for day in inside), last]
    return tuple(
        CodeListVersion(
            name=head.name,
            codes=tuple(member.code for member in members if member.covers(start or (end or date.max))),
            valid_from=start,
            valid_until=end,
        )
        for start, end in zip(bounds, ends, strict=True)
    )
