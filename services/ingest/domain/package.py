"""Decides what becomes of a package: taken whole, split into submissions, or rejected whole with all findings."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import unquote

from services.ingest.domain.cells import match_cells
from services.ingest.domain.deliveries import Delivery
from services.ingest.domain.findings import Door, capped, finding
from services.ingest.domain.incoming import Incoming, IncomingReport, Where
from shared.catalogue.snapshot import Snapshot
from shared.delivery_id import DeliveryId, Status
from shared.events.cells import CellValue
from shared.events.findings import Finding
from shared.events.submissions import Explanation
from shared.periods import Frequency
from shared.text import Text

NAMED_MAX = 8
"""So many open deliveries or similar codes are named in a finding."""


@dataclass(frozen=True, slots=True)
class TakenReport:
    """A report that becomes the next version of its delivery."""

    delivery: DeliveryId
    cells: tuple[CellValue, ...]
    explanations: tuple[Explanation, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """The package is taken; reports of shorter periods come first, as they are numbered."""

    reports: tuple[TakenReport, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """The package is not taken; all that is wrong, capped with the count stated."""

    findings: tuple[Finding, ...]


Deliveries = Mapping[DeliveryId, Delivery]
"""The unit's deliveries of the form, open and closed."""


def decide(package: Incoming, unit: str, snapshot: Snapshot, deliveries: Deliveries) -> Taken | Rejected:
    """Return what becomes of a package that came over the channel of `unit`; says everything wrong at once."""
    if (stop := _about_the_form(package, unit, snapshot)) is not None:
        return Rejected((stop,))
    findings: list[Finding] = []
    if package.on_behalf_of is not None:
        findings.append(_on_behalf_of(package.on_behalf_of, unit))
    taken: dict[DeliveryId, TakenReport] = {}
    named: dict[DeliveryId, Where] = {}
    for report in package.reports:
        delivery = DeliveryId.of(unit, package.form, report.period, report.status)
        problem = _same_delivery_twice(report, named[delivery]) if delivery in named else None
        named.setdefault(delivery, report.where)
        problem = problem or _about_the_delivery(delivery, report, snapshot, deliveries)
        if problem is not None:
            findings.append(problem)
            continue
        matched = match_cells(snapshot, delivery, report.cells)
        findings.extend(matched.findings)
        taken[delivery] = TakenReport(delivery, matched.cells, report.explanations)
    if findings:
        return Rejected(capped(findings))
    order = sorted(taken.values(), key=lambda each: (each.delivery.period.month_count, each.delivery))
    return Taken(tuple(order))


def _about_the_form(package: Incoming, unit: str, snapshot: Snapshot) -> Finding | None:
    form = package.form
    if form not in snapshot.forms:
        similar = get_close_matches(form, snapshot.forms, n=3, cutoff=0.6)
        return finding(
            Door.UNKNOWN_FORM,
            Text(vi=f"Không có biểu {form} trong danh mục", en=f"There is no form {form} in the catalogue"),
            Text(
                vi=f"Kiểm tra mã biểu; mã gần giống: {', '.join(similar)}." if similar else "Kiểm tra mã biểu.",
                en=f"Check the code; similar ones: {', '.join(similar)}." if similar else "Check the code of the form.",
            ),
            package.where,
            expected=", ".join(similar) or None,
            observed=form,
        )
    if not _owed(snapshot, unit, form):
        return finding(
            Door.NOT_YOUR_FORM,
            Text(vi=f"Đơn vị {unit} không phải gửi biểu {form}", en=f"The unit {unit} does not owe form {form}"),
            Text(
                vi="Kiểm tra mã biểu; nếu đơn vị phải gửi biểu này, báo Cục Thống kê.",
                en="Check the code; if your unit should send this form, tell the Statistics Office.",
            ),
            package.where,
            observed=form,
        )
    return None


def _owed(snapshot: Snapshot, unit: str, form: str) -> list[tuple[Frequency, Status]]:
    """Return the (frequency, status) pairs that the unit ever owes on a form."""
    prefix = unit + "/"
    pairs = []
    for key in snapshot.obligations:
        if key.startswith(prefix):
            _, owed_form, frequency, status = map(unquote, key.split("/"))
            if owed_form == form:
                pairs.append((Frequency(frequency), Status(status)))
    return sorted(pairs, key=lambda pair: (list(Frequency).index(pair[0]), pair[1].rank))


def _on_behalf_of(other: str, unit: str) -> Finding:
    return finding(
        Door.ON_BEHALF_OF,
        Text(
            vi=f"Danh mục không có uỷ quyền để {unit} gửi thay {other}",
            en=f"The catalogue holds no mandate for {unit} to send on behalf of {other}",
        ),
        Text(
            vi="Bỏ `on_behalf_of`, hoặc để đơn vị đó gửi bằng kênh của mình.",
            en="Leave out `on_behalf_of`, or let that unit send through its own channel.",
        ),
        Where(document="on_behalf_of"),
        observed=other,
    )


def _same_delivery_twice(report: IncomingReport, first: Where) -> Finding:
    at = first.document or (first.place.address if first.place else "")
    return finding(
        Door.SAME_DELIVERY_TWICE,
        Text(
            vi=f"Kỳ {report.period}, mức độ {report.status.value} đã có ở {at}",
            en=f"{report.period}, {report.status.value} was given before, at {at}",
        ),
        Text(vi="Gộp các ô vào một báo cáo.", en="Put all its cells into one report."),
        report.where,
    )


def _about_the_delivery(
    delivery: DeliveryId, report: IncomingReport, snapshot: Snapshot, deliveries: Deliveries
) -> Finding | None:
    """Return why a report cannot be taken now; None when its delivery is open."""
    if snapshot.form(delivery.form, delivery.period) is None:
        return finding(
            Door.FORM_NOT_VALID,
            Text(
                vi=f"Biểu {delivery.form} không có hiệu lực cho kỳ {delivery.period}",
                en=f"Form {delivery.form} does not hold for {delivery.period}",
            ),
            _mend_by_open(delivery, deliveries),
            report.where,
            observed=str(delivery.period),
        )
    obligation = snapshot.obligation(delivery)
    if obligation is None:
        owed = _owed(snapshot, delivery.unit, delivery.form)
        names = ", ".join(f"{frequency.value} {status.value}" for frequency, status in owed)
        return finding(
            Door.NO_SUCH_DELIVERY,
            Text(
                vi=f"Đơn vị không phải gửi biểu này cho kỳ {delivery.period}, mức độ {delivery.status.value}",
                en=f"Your unit does not owe this form for {delivery.period}, {delivery.status.value}",
            ),
            _mend_by_open(delivery, deliveries),
            report.where,
            expected=names or None,
            observed=f"{delivery.period.frequency.value} {delivery.status.value}",
        )
    known = deliveries.get(delivery)
    if known is None:
        return finding(
            Door.NOT_OPEN,
            Text(
                vi=f"Kỳ {delivery.period}, mức độ {delivery.status.value} chưa mở: "
                f"mở {obligation.open_days_before} ngày trước thời hạn ({obligation.due_rule})",
                en=f"{delivery.period}, {delivery.status.value} is not open yet: "
                f"it opens {obligation.open_days_before} days before its deadline ({obligation.due_rule})",
            ),
            _mend_by_open(delivery, deliveries),
            report.where,
            observed=str(delivery.period),
        )
    if not known.open and known.closed is not None:
        when = known.closed_at.isoformat() if known.closed_at else "?"
        return finding(
            Door.CLOSED,
            Text(
                vi=f"Kỳ {delivery.period}, mức độ {delivery.status.value} đã đóng lúc {when} ({known.closed.value})",
                en=f"{delivery.period}, {delivery.status.value} was closed at {when} ({known.closed.value})",
            ),
            Text(
                vi="Nếu vẫn cần gửi, đề nghị Cục Thống kê mở lại.",
                en="If it must still be sent, ask the Statistics Office to reopen it.",
            ),
            report.where,
            observed=known.closed.value,
        )
    return None


def _mend_by_open(delivery: DeliveryId, deliveries: Deliveries) -> Text:
    """Say which deliveries of the form are open, the nearest first."""
    months = delivery.period.year * 12 + delivery.period.last_month

    def distance(each: DeliveryId) -> tuple[int, DeliveryId]:
        return abs(each.period.year * 12 + each.period.last_month - months), each

    nearest = sorted((each.id for each in deliveries.values() if each.open), key=distance)
    if not nearest:
        return Text(vi="Hiện không có kỳ nào của biểu này đang mở.", en="No period of this form is open at the moment.")
    names = ", ".join(f"{each.period} {each.status.value}" for each in nearest[:NAMED_MAX])
    rest = len(nearest) - NAMED_MAX
    more = (f" và {rest} kỳ khác", f" and {rest} more") if rest > 0 else ("", "")
    return Text(vi=f"Đang mở: {names}{more[0]}.", en=f"Open at the moment: {names}{more[1]}.")
