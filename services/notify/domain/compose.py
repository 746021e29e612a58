"""Composes the letter of a mail: what happened, to which reports, and what to do now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from services.notify.domain.actions import actions
from services.notify.domain.delivery import Delivery
from services.notify.domain.findings import Verdict, mistakes_of
from services.notify.domain.letter import Letter, Line, Returned
from services.notify.domain.steps import Kind, Step, package_of
from services.notify.domain.words import (
    day_words,
    days_left_words,
    listed,
    moment_words,
    period_words,
    sentence,
    short_day,
    status_words,
)
from shared.catalogue.snapshot import Snapshot
from shared.deadline import end_of_deadline
from shared.delivery_id import DeliveryId
from shared.events.catalogue import ContactV1, Direction
from shared.periods import PeriodBasis


@dataclass(frozen=True, slots=True)
class Told:
    """One step with what is known of its delivery, and its verdict where it is a returned one."""

    step: Step
    delivery: Delivery
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """What a letter needs besides its steps. `now` is business time.

    `url` is the address of the door where files are sent; `page_url` is that of a page for people, empty without one.
    """

    snapshot: Snapshot
    now: datetime
    simulated: bool
    url: str
    mistakes_shown_max: int
    page_url: str = ""

    @property
    def zone(self) -> ZoneInfo:
        """The calendar's time zone: every day in a letter is a local one."""
        return ZoneInfo(self.snapshot.calendar.timezone)


def compose(kind: Kind, told: Sequence[Told], contact: ContactV1, setting: Setting) -> Letter:
    """Return the letter for these steps, all of one kind and of the contact's unit."""
    office = _office(told, setting)
    unit = _unit_name(contact.unit, setting)
    subject, headline, paragraphs = _opening(kind, told, unit, setting)
    return Letter(
        tone=kind.value,
        subject=subject,
        kicker=_KICKERS[kind],
        headline=headline,
        greeting=f"Kính gửi {contact.name} – {unit},",
        paragraphs=paragraphs,
        lines=tuple(_line(each, setting) for each in told),
        returned=tuple(_returned(each, setting) for each in told if each.verdict is not None),
        actions=actions(kind, office, url=setting.url, page_url=setting.page_url),
        button=_BUTTONS[kind] if setting.page_url else "",
        url=setting.page_url,
        signature=("Trân trọng,", office),
        reason=(
            f"Thư này được gửi tự động cho đầu mối báo cáo của {unit}. Nếu {contact.name} không còn phụ trách, "
            f"đề nghị báo {office} để đổi đầu mối."
        ),
        notes=(f"Hệ thống đang chạy với đồng hồ mô phỏng: bây giờ là {moment_words(setting.now, setting.zone)}.",)
        if setting.simulated
        else (),
    )


_KICKERS = {Kind.REMINDER: "Nhắc hạn báo cáo", Kind.PASSED: "Đã quá hạn", Kind.RETURNED: "Báo cáo bị trả lại"}
_BUTTONS = {Kind.REMINDER: "Mở trang gửi báo cáo", Kind.PASSED: "Gửi báo cáo ngay", Kind.RETURNED: "Sửa và gửi lại"}


def _opening(kind: Kind, told: Sequence[Told], unit: str, setting: Setting) -> tuple[str, str, tuple[str, ...]]:
    """Return subject, headline and paragraphs."""
    count = len(told)
    what = _what(told, setting)
    due_at = told[0].delivery.due_at
    match kind:
        case Kind.REMINDER if due_at is not None:
            left = days_left_words(setting.now, due_at, setting.zone)
            day = short_day(due_at, setting.zone)
            return (
                f"Nhắc hạn {day}: {what}",
                f"{_count(count)} đến hạn {day_words(due_at, setting.zone)} ({left})",
                (f"Đến nay hệ thống chưa nhận được {_these(count)} của {unit}.",),
            )
        case Kind.PASSED:
            day = short_day(told[0].step.at, setting.zone)
            return (
                f"Quá hạn {day}: {what}",
                f"{_count(count)} đã quá hạn {day_words(told[0].step.at, setting.zone)}",
                (
                    f"Đã hết hạn mà hệ thống chưa có bản đạt yêu cầu của {_these(count)} từ {unit}.",
                    "Số liệu còn thiếu làm chậm việc tổng hợp của toàn tỉnh.",
                ),
            )
        case _:
            errors = sum(each.verdict.error_count for each in told if each.verdict is not None)
            at = listed(
                moment_words(each.verdict.received_at, setting.zone) for each in told if each.verdict is not None
            )
            return (
                f"Trả lại: {what}, {errors} lỗi cần sửa",
                f"{_count(count)} bị trả lại: {errors} lỗi cần sửa",
                (
                    f"Báo cáo {unit} gửi lúc {at} chưa đạt khi kiểm tra nên được trả lại.",
                    "Bản này chưa được tính là đã nộp.",
                ),
            )


def _what(told: Sequence[Told], setting: Setting) -> str:
    """Return what the mail is about in a subject: the form and its periods, or how many reports."""
    forms = dict.fromkeys(each.step.delivery.form for each in told)
    if len(forms) > 1:
        return f"{len(told)} báo cáo ({len(forms)} biểu)"
    return f"biểu {next(iter(forms))}, {listed(_period(each.step.delivery, setting) for each in told)}"


def _line(told: Told, setting: Setting) -> Line:
    delivery = told.step.delivery
    form = setting.snapshot.form(delivery.form, delivery.period)
    due_at = told.delivery.due_at
    note, urgent = _note(told, setting)
    return Line(
        form=delivery.form,
        title=form.title.vi if form else "",
        period=sentence(_period(delivery, setting)),
        status=status_words(delivery.status),
        due=day_words(due_at, setting.zone) if due_at is not None else "",
        note=note,
        urgent=urgent,
    )


def _note(told: Told, setting: Setting) -> tuple[str, bool]:
    delivery, due_at = told.delivery, told.delivery.due_at
    if due_at is None:
        return "", False
    if told.step.kind is Kind.RETURNED and due_at > setting.now:
        return f"gửi lại trước hạn ({days_left_words(setting.now, due_at, setting.zone)})", False
    if (
        told.step.kind is Kind.PASSED
        and delivery.received_at is not None
        and (delivery.received_at >= end_of_deadline(due_at))
    ):
        return f"đã nhận bản gửi muộn lúc {moment_words(delivery.received_at, setting.zone)}", False
    return days_left_words(setting.now, due_at, setting.zone), True


def _returned(told: Told, setting: Setting) -> Returned:
    if told.verdict is None:
        raise ValueError(f"{told.step.name} of {told.step.delivery} has no verdict")
    delivery = told.step.delivery
    period = f"{_period(delivery, setting)}, số {status_words(delivery.status)}"
    return Returned(
        heading=f"{delivery.form} – {period} (lần gửi thứ {told.verdict.version})",
        error_count=told.verdict.error_count,
        mistakes=mistakes_of(told.verdict, delivery, setting.snapshot)[: setting.mistakes_shown_max],
        all_at=f"{setting.url}/v1/packages/{package_of(told.step.occasion)}",
    )


def _period(delivery: DeliveryId, setting: Setting) -> str:
    obligation = setting.snapshot.obligation(delivery)
    return period_words(delivery.period, obligation.period_basis if obligation else PeriodBasis.CALENDAR)


def _office(told: Sequence[Told], setting: Setting) -> str:
    """Return the name of who receives the first report; without one in the catalogue, a general word."""
    first = told[0].step.delivery
    form = setting.snapshot.form(first.form, first.period)
    if form is None or form.receiver is None or form.direction is Direction.OUTWARD:
        return "Cơ quan thống kê"
    return _unit_name(form.receiver, setting)


def _unit_name(code: str, setting: Setting) -> str:
    unit = setting.snapshot.unit(code, setting.now.astimezone(setting.zone).date())
    return unit.name.vi if unit else code


def _count(count: int) -> str:
    return f"{count} báo cáo" if count > 1 else "Báo cáo"


def _these(count: int) -> str:
    return "các báo cáo dưới đây" if count > 1 else "báo cáo dưới đây"
