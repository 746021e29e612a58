"""What a letter says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.notify.domain.compose import Setting, Told, compose
from services.notify.domain.delivery import Delivery
from services.notify.domain.findings import errors_of
from services.notify.domain.letter import Letter
from services.notify.domain.render_html import render_html
from services.notify.domain.render_text import render_text
from services.notify.domain.steps import Kind, passed_step, reminder_step, returned_step
from shared.delivery_id import DeliveryId
from tests.builders.catalogue_files import a_snapshot
from tests.builders.mailing import DUE, ID, a_contact, a_delivery, a_finding, a_verdict

NOW = datetime(2024, 6, 15, 1, tzinfo=UTC)
QUARTER = DeliveryId.of("SO-A", "001.T/BCS-A", "2024-Q2", "estimate")
FOREIGN = DeliveryId.of("SO-A", "009.H/BCS-A", "2024-06", "final")


def a_setting(**changes: Any) -> Setting:
    plain = {"snapshot": a_snapshot(), "now": NOW, "simulated": False, "url": "https://so.example"}
    return Setting(**{**plain, "mistakes_shown_max": 10, **changes})


def reminding(*deliveries: DeliveryId, **changes: Any) -> Letter:
    told = [Told(reminder_step(each, 1, 3, NOW), replace(a_delivery(), id=each)) for each in deliveries]
    return compose(Kind.REMINDER, told, a_contact(), a_setting(**changes))


def passing(delivery: Delivery, **changes: Any) -> Letter:
    told = [Told(passed_step(delivery.id, 1, DUE), delivery)]
    return compose(Kind.PASSED, told, a_contact(), a_setting(now=DUE + timedelta(hours=8), **changes))


def returning(verdict: Any = None, **changes: Any) -> Letter:
    held = verdict or a_verdict()
    told = [Told(returned_step(ID, held.version, held.judgement, UUID(int=7), NOW), a_delivery(), held)]
    return compose(Kind.RETURNED, told, a_contact(), a_setting(**changes))


def test_a_reminder_says_what_is_due_and_when() -> None:
    letter = reminding(ID)
    assert letter.subject == "Nhắc hạn 18/6/2024: biểu 001.T/BCS-A, tháng 6 năm 2024"
    assert letter.headline == "Báo cáo đến hạn thứ Ba, 18/6/2024 (còn 3 ngày)"
    assert letter.greeting == "Kính gửi Nguyễn Thị A – Sở A,"
    (line,) = letter.lines
    assert (line.form, line.title, line.period, line.status) == (
        "001.T/BCS-A",
        "Đăng ký doanh nghiệp",
        "Tháng 6 năm 2024",
        "ước tính",
    )


def test_one_form_with_two_periods_names_both_in_the_subject() -> None:
    letter = reminding(ID, QUARTER)
    assert letter.subject == "Nhắc hạn 18/6/2024: biểu 001.T/BCS-A, tháng 6 năm 2024 và quý II năm 2024"
    assert letter.headline.startswith("2 báo cáo đến hạn")
    assert len(letter.lines) == 2


def test_several_forms_are_counted_in_the_subject() -> None:
    assert reminding(ID, FOREIGN).subject == "Nhắc hạn 18/6/2024: 2 báo cáo (2 biểu)"


def test_a_form_that_the_catalogue_no_longer_has_is_named_by_its_code() -> None:
    (line,) = reminding(FOREIGN).lines
    assert (line.form, line.title, line.status) == ("009.H/BCS-A", "", "chính thức")


def test_a_passed_deadline_is_told_by_its_day() -> None:
    letter = passing(a_delivery())
    assert letter.headline == "Báo cáo đã quá hạn thứ Ba, 18/6/2024"
    assert letter.lines[0].note == "đã quá hạn 1 ngày"
    assert letter.lines[0].urgent


def test_a_report_that_came_late_is_not_called_missing() -> None:
    late = DUE + timedelta(hours=1)
    line = passing(a_delivery(received_version=1, received_at=late)).lines[0]
    assert line.note == "đã nhận bản gửi muộn lúc 00:59 ngày 19/6/2024"
    assert not line.urgent


def test_a_report_of_the_last_second_is_not_called_late() -> None:
    last = DUE + timedelta(milliseconds=999)
    line = passing(a_delivery(received_version=1, received_at=last)).lines[0]
    assert line.note == "đã quá hạn 1 ngày"


def test_a_returned_report_shows_where_what_and_how_to_mend() -> None:
    letter = returning()
    assert letter.subject == "Trả lại: biểu 001.T/BCS-A, tháng 6 năm 2024, 1 lỗi cần sửa"
    (returned,) = letter.returned
    assert returned.heading == "001.T/BCS-A – tháng 6 năm 2024, số ước tính (lần gửi thứ 1)"
    (mistake,) = returned.mistakes
    assert mistake.where == "I1 Số doanh nghiệp – Thành phố A"
    assert mistake.address == "Biểu!C9"
    assert (mistake.observed, mistake.expected) == ("7", "8")
    assert mistake.mend == "Sửa ô sai."


def test_a_message_does_not_say_again_which_cell_it_is_about() -> None:
    (mistake,) = returning().returned[0].mistakes
    assert mistake.message == "ghi 7, nhưng tổng là 8."


def test_a_message_in_other_words_stays_whole() -> None:
    other = a_finding(message={"vi": "Tổng không khớp: 7 và 8.", "en": "7, 8"})
    (mistake,) = returning(a_verdict(errors=(other,))).returned[0].mistakes
    assert mistake.message == "Tổng không khớp: 7 và 8."


def test_a_finding_about_no_cell_says_where_in_the_document() -> None:
    about_body = a_finding(cell=None, place=None, document="reports[0].period", expected=None, observed=None)
    (mistake,) = returning(a_verdict(errors=(about_body,))).returned[0].mistakes
    assert (mistake.where, mistake.address, mistake.compared) == ("reports[0].period", "", ())


def test_a_finding_from_a_program_has_no_address_but_a_cell() -> None:
    (mistake,) = returning(a_verdict(errors=(a_finding(place=None),))).returned[0].mistakes
    assert (mistake.where, mistake.address) == ("I1 Số doanh nghiệp – Thành phố A", "")


def test_columns_are_named_unless_they_are_the_plain_value() -> None:
    cumulative = a_finding(cell={"indicator": "I1", "column": "cumulative"}, place=None)
    (mistake,) = returning(a_verdict(errors=(cumulative,))).returned[0].mistakes
    assert mistake.where == "I1 Số doanh nghiệp – cột «Cộng dồn»"


def test_codes_that_the_catalogue_does_not_know_are_shown_as_they_are() -> None:
    strange = a_finding(cell={"indicator": "X9", "dimensions": {"GEO": "999"}}, place=None)
    (mistake,) = returning(a_verdict(errors=(strange,))).returned[0].mistakes
    assert mistake.where == "X9 GEO 999"
    plain = a_finding(cell={"indicator": "X9"}, place=None)
    assert returning(a_verdict(errors=(plain,))).returned[0].mistakes[0].where == "X9"


def test_what_is_not_shown_is_counted() -> None:
    many = a_verdict(error_count=25, errors=tuple(a_finding() for _ in range(20)))
    letter = returning(many, mistakes_shown_max=3)
    assert len(letter.returned[0].mistakes) == 3
    assert letter.returned[0].hidden_count == 22
    for shown in (render_text(letter), render_html(letter)):
        assert "còn 22 lỗi nữa" in shown
        assert f"https://so.example/v1/packages/{UUID(int=7)}" in shown


def test_only_errors_have_to_be_mended() -> None:
    findings = (a_finding(severity="warning"), a_finding(), a_finding(severity="information"), a_finding())
    assert [each.severity.value for each in errors_of(findings, 10)] == ["error", "error"]
    assert len(errors_of(findings, 1)) == 1


def test_a_returned_report_in_time_may_still_be_sent_before_its_deadline() -> None:
    assert returning().lines[0].note == "gửi lại trước hạn (còn 3 ngày)"
    assert returning(now=DUE + timedelta(days=1)).lines[0].note == "đã quá hạn 1 ngày"


def test_the_office_that_receives_the_form_signs() -> None:
    assert reminding(ID).signature == ("Trân trọng,", "Cục Thống kê")
    assert reminding(FOREIGN).signature == ("Trân trọng,", "Cơ quan thống kê")


def test_a_simulated_clock_is_said_in_the_mail() -> None:
    assert reminding(ID).notes == ()
    (note,) = reminding(ID, simulated=True).notes
    assert "mô phỏng" in note
    assert "08:00 ngày 15/6/2024" in note


@pytest.mark.parametrize("letter", [reminding(ID), passing(a_delivery()), returning()], ids=lambda each: each.tone)
def test_a_letter_promises_no_page_that_is_not_there(letter: Letter) -> None:
    assert (letter.button, letter.url) == ("", "")
    assert any("https://so.example/v1/packages" in action for action in letter.actions)
    assert "trang" not in render_text(letter).casefold()


@pytest.mark.parametrize("compose_one", [lambda url: reminding(ID, page_url=url), lambda url: returning(page_url=url)])
def test_a_page_that_is_there_gets_a_button(compose_one: Any) -> None:
    letter = compose_one("https://so.example/gui")
    assert letter.button
    assert f'href="{letter.url}"' in render_html(letter)
