"""The merged answer to a package: the worst verdict of its reports, once all are judged."""

from collections.abc import Sequence

from shared.events.agency import ReportVerdict
from shared.events.findings import Verdict


def merged(reports: Sequence[ReportVerdict | None]) -> Verdict | None:
    """Return the worst verdict; None while a report waits for its judgement."""
    verdicts = [report.verdict for report in reports if report is not None]
    if not verdicts or len(verdicts) < len(reports):
        return None
    return max(verdicts, key=lambda verdict: verdict.rank)
