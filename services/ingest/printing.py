"""Shows a package's verdict to a person at a terminal."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

GOOD = {"accepted", "accepted_with_warnings"}
FINDINGS_SHOWN_MAX = 30
_COLOURS = {"accepted": "green", "accepted_with_warnings": "yellow", "needs_explanation": "yellow"}


def print_status(name: str, status: Mapping[str, Any]) -> bool:
    """Print what became of a file; return whether it was accepted."""
    console = Console()
    verdict = status.get("verdict") or ("rejected" if status.get("findings") else status.get("state", "?"))
    console.print(f"[bold]{name}[/]: [{_COLOURS.get(verdict, 'red')}]{verdict}[/] {status.get('package_id', '')}")
    for submission in status.get("submissions", ()):
        console.print(f"  {submission['delivery_id']} v{submission['version']}: {submission.get('verdict', '…')}")
        _print_findings(console, submission.get("findings", ()))
    _print_findings(console, status.get("findings", ()))
    return verdict in GOOD


def _print_findings(console: Console, findings: Iterable[Mapping[str, Any]]) -> None:
    found = list(findings)
    if not found:
        return
    table = Table("rule", "where", "what", "mend", box=None, padding=(0, 1))
    for each in found[:FINDINGS_SHOWN_MAX]:
        place = each.get("place") or {}
        where = each.get("document") or f"{place.get('sheet', '')} {place.get('address', '')}".strip()
        mend = (each.get("mend") or {}).get("vi", "")
        table.add_row(each["rule"], where, f"{each['message']['vi']}\n{each['message']['en']}", mend)
    console.print(table)
    if len(found) > FINDINGS_SHOWN_MAX:
        console.print(f"  … {len(found) - FINDINGS_SHOWN_MAX}")
