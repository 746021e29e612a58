"""What notify looks at: deliveries, contacts, policies, letters. Valid by default, keyword only."""

from datetime import UTC, datetime, time
from typing import Any

from services.notify.domain.delivery import Delivery
from services.notify.domain.findings import Verdict
from services.notify.domain.ladder import Policy
from services.notify.domain.letter import Letter, Line, Mistake, Returned
from shared.delivery_id import DeliveryId
from shared.events.catalogue import ContactRole, ContactV1
from shared.events.findings import Finding
from shared.text import Text

ID = DeliveryId.of("SO-A", "001.T/BCS-A", "2024-06", "estimate")
OPENED = datetime(2024, 5, 19, 17, tzinfo=UTC)
DUE = datetime(2024, 6, 18, 16, 59, 59, tzinfo=UTC)
"""18 June 2024, the last second of the day in Vietnam."""

POLICY = Policy("Asia/Ho_Chi_Minh", ((7, time(8)), (3, time(8)), (1, time(8))))


def a_delivery(**changes: Any) -> Delivery:
    """An open delivery that nobody has sent anything for."""
    return Delivery(**{"id": ID, "deadline_version": 1, "due_at": DUE, "waiting_from": OPENED, **changes})


def a_contact(**changes: Any) -> ContactV1:
    """A responsible contact of SO-A."""
    role = ContactRole.RESPONSIBLE
    plain = {"id": "SO-A-1", "unit": "SO-A", "name": "Nguyễn Thị A", "email": "a@so-a.example", "role": role}
    return ContactV1.model_validate({**plain, **changes})


def a_finding(**changes: Any) -> Finding:
    """An error in a cell of a workbook."""
    plain = {
        "rule": "R1",
        "severity": "error",
        "message": {"vi": "Biểu!C9 – Số doanh nghiệp, Thành phố A: ghi 7, nhưng tổng là 8.", "en": "7, but 8."},
        "mend": {"vi": "Sửa ô sai.", "en": "Mend it."},
        "cell": {"indicator": "I1", "dimensions": {"GEO": "568"}},
        "place": {"sheet": "Biểu", "address": "C9"},
        "expected": "8",
        "observed": "7",
    }
    return Finding.model_validate({**plain, **changes})


def a_verdict(**changes: Any) -> Verdict:
    """Judgement 1 of version 1, returned with one error."""
    plain = {"version": 1, "judgement": 1, "received_at": datetime(2024, 6, 12, 3, tzinfo=UTC), "error_count": 1}
    return Verdict(**{**plain, "errors": (a_finding(),), **changes})


def a_letter(**changes: Any) -> Letter:
    """A letter about a returned report with everything that a letter may have."""
    mistake = Mistake("I1 Số doanh nghiệp", "Biểu!C9", "ghi 7, nhưng tổng là 8.", "Sửa ô sai.", "8", "7")
    plain: dict[str, Any] = {
        "tone": "returned",
        "subject": "Trả lại: biểu 001.T/BCS-A",
        "kicker": "Báo cáo bị trả lại",
        "headline": "Báo cáo bị trả lại: 3 lỗi cần sửa",
        "greeting": "Kính gửi Nguyễn Thị A – Sở A,",
        "paragraphs": ("Bản này chưa được tính là đã nộp.",),
        "lines": (Line("001.T/BCS-A", "Đăng ký doanh nghiệp", "Tháng 6 năm 2024", "ước tính", "thứ Ba, 18/6/2024"),),
        "returned": (Returned("001.T/BCS-A – tháng 6 năm 2024", 3, (mistake,)),),
        "actions": ("Sửa các ô nêu trên.", "Gửi lại."),
        "button": "Sửa và gửi lại",
        "url": "https://lienthong.example/gui?a=1&b=2",
        "signature": ("Trân trọng,", "Cục Thống kê"),
        "reason": "Thư này được gửi tự động.",
        "notes": ("Hệ thống đang chạy với đồng hồ mô phỏng.",),
    }
    return Letter(**{**plain, **changes})


def text(vi: str) -> Text:
    """A text whose English nobody looks at."""
    return Text(vi=vi, en=vi)
