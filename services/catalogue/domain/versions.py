"""Rows that share a key are versions of one entity: puts them in order and finds those that overlap."""

from collections.abc import Iterable
from datetime import date
from itertools import pairwise
from typing import TypeVar

from services.catalogue.domain.sheets import Row
from shared.events.catalogue import Valid
from shared.text import Text

ValidT = TypeVar("ValidT", bound=Valid)


def in_order(versions: Iterable[tuple[Row, ValidT]]) -> tuple[ValidT, ...]:
    """Return the versions by date of validity; two that hold on one day are a fault of the later row."""
    ordered = sorted(versions, key=lambda pair: (pair[1].valid_from or date.min, pair[1].valid_until or date.max))
    for (_, earlier), (row, later) in pairwise(ordered):
        if (later.valid_from or date.min) <= (earlier.valid_until or date.max):
            row.fault(
                "valid_from",
                Text(
                    vi="Cùng mã, hai dòng có hiệu lực trong cùng một ngày",
                    en="Two rows of the same key hold on the same day",
                ),
                Text(
                    vi="Xóa dòng trùng, hoặc đặt valid_from và valid_until nối tiếp nhau",
                    en="Delete the duplicate, or let valid_from and valid_until follow each other",
                ),
            )
    return tuple(version for _, version in ordered)


def validity(row: Row) -> dict[str, date | None]:
    """Return `valid_from` and `valid_until` of a row; a fault when they are the wrong way round."""
    first, last = row.day("valid_from"), row.day("valid_until")
    if first is not None and last is not None and last < first:
        row.fault(
            "valid_until",
            Text(vi="valid_until trước valid_from", en="valid_until is before valid_from"),
            Text(vi="Đổi hai ngày cho nhau", en="Exchange the two dates"),
        )
    return {"valid_from": first, "valid_until": last}
