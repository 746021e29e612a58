"""Shows a package's verdict to a person at a terminal."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

GOOD = {"accepted", "accepted_with_warnings"}
FINDINGS_SHOWN_MAX = 30
_COLOURS = {"accepted": "green", "accepted_with_warnings": "yellow", "needs_explanation": "yellow"}


def print_status(name: str, status: Mapping[str, Any]) -> bool:
    """Print what became of a file; return whether it was accepted."""
    console = Console()
    verdict = status.get("verdict") or ("rejected" if status.get("findings") else status.get("state", "?"))
    console.print(
        f"[bold]{escape(name)}[/]: [{_COLOURS.get(verdict, 'red')}]{verdict}[/] {status.get('package_id', '')}"
    )
    for submission in status.get("submissions", ()):
        console.print(f"  {submission['delivery_id']} v{submission['version']}: {submission.get('verdict', '…')}")
        _print_findings(console, submission.get("findings", ()))
    _print_findings(console, status.get("findings", ()))
    return verdict in GOOD


def _print_findings(console: Console, findings: Iterable[Mapping[str, Any]]) -> None:
    found = list(findings)
    for each in found[:FINDINGS_SHOWN_MAX]:
        console.print(f"    [bold]{each['severity']}[/] {each['rule']}  {escape(_where(each))}", highlight=False)
        for text in (each["message"], each.get("mend")):
            if text is not None:
                console.print(f"      {escape(text['vi'])}\n      [dim]{escape(text['en'])}[/]", highlight=False)
    if len(found) > FINDINGS_SHOWN_MAX:
        console.print(f"    … {len(found) - FINDINGS_SHOWN_MAX}")


def _where(found: Mapping[str, Any]) -> str:
    """Return the place in the file, else the cell by its codes."""
    if place := found.get("place"):
        return f"{place['sheet']}!{place['address']}"
    if document := found.get("document"):
        return str(document)
    cell = found.get("cell")
    if cell is None:
        return ""
    codes = ",".join(f"{name}={code}" for name, code in cell.get("dimensions", {}).items())
    return f"{cell['indicator']}[{codes}].{cell['column']}"
