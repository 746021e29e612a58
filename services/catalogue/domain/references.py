"""Faults of codes that point nowhere or stand twice, said the same way in every file."""

from collections.abc import Container

from services.catalogue.domain.sheets import Row
from shared.text import Text


def check_known(row: Row, column: str, value: str | None, known: Container[str]) -> None:
    """Say so when a code is not defined; None points nowhere and is no fault."""
    if value is not None and value not in known:
        row.fault(
            column,
            Text(vi=f"Mã «{value}» chưa được khai báo", en=f"The code “{value}” is not defined"),
            Text(vi="Sửa mã, hoặc khai báo mã trong tệp của nó", en="Correct it, or define it in its own file"),
        )


def duplicate(row: Row, column: str, value: str) -> None:
    """Say that a code stands twice where it may stand once."""
    row.fault(
        column,
        Text(vi=f"Mã «{value}» xuất hiện hai lần", en=f"The code “{value}” stands here twice"),
        Text(vi="Xóa dòng trùng", en="Delete the duplicate"),
    )
