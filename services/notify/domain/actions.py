"""What a letter asks for: the next things to do, in order, and nothing that does not exist."""

from services.notify.domain.steps import Kind


def actions(kind: Kind, office: str, *, url: str, page_url: str) -> tuple[str, ...]:
    """Return what to do now. `url` is where ingest answers; `page_url` is a page for people, empty without one."""
    door = f"trên trang gửi báo cáo ({page_url})" if page_url else f"tới {url}/v1/packages"
    extension = f"đề nghị gửi {office} văn bản xin gia hạn"
    match kind:
        case Kind.REMINDER:
            fill = "Điền số liệu vào biểu của kỳ này. Ô không phát sinh ghi “-”; có phát sinh nhưng chưa thu thập được"
            send = f"Gửi theo cách cơ quan vẫn dùng: tệp Excel {door}, hoặc từ phần mềm của cơ quan."
            return (
                f"{fill} ghi “...”.",
                f"{send} Hệ thống kiểm tra ngay và chỉ ra từng ô cần sửa nếu có.",
                f"Nếu không kịp, {extension} trước khi hết hạn.",
            )
        case Kind.PASSED:
            send = f"Gửi báo cáo sớm nhất có thể, tệp Excel {door} hoặc từ phần mềm của cơ quan."
            return (
                f"{send} Hệ thống vẫn nhận và ghi ngày gửi thực tế.",
                "Nếu đã gửi mà bị trả lại, sửa các ô nêu trong thư trả lại rồi gửi lại.",
                f"Nếu có lý do chính đáng, {extension}.",
            )
        case Kind.RETURNED:
            return (
                "Sửa các ô nêu trên trong tệp hoặc phần mềm đã dùng để gửi.",
                f"Gửi lại cả biểu, tệp Excel {door} hoặc từ phần mềm của cơ quan. Bản mới thay bản cũ.",
                f"Nếu số liệu đúng và điều bất thường là có thật, đề nghị liên hệ {office}.",
            )
