"""Why a message cannot be read, in Vietnamese; the bus kit says the detail in English."""

from collections.abc import Mapping

from shared.bus.errors import Reason

REASONS_IN_VIETNAMESE: Mapping[Reason, str] = {
    Reason.UNREADABLE_HEADER: "có header không phải UTF-8",
    Reason.MISSING_ATTRIBUTE: "thiếu một thuộc tính bắt buộc (ce_specversion, ce_id, ce_source, ce_type)",
    Reason.DUPLICATE_ATTRIBUTE: "một thuộc tính được ghi hai lần",
    Reason.INVALID_ATTRIBUTE: "một thuộc tính quá dài, có ký tự điều khiển hoặc không đúng dạng",
    Reason.UNSUPPORTED_SPECVERSION: "ce_specversion phải là 1.0",
    Reason.UNSUPPORTED_CONTENT_TYPE: "content-type phải là application/json, dạng binary",
    Reason.UNREADABLE_KEY: "khoá hoặc tên topic không phải mã đơn vị",
    Reason.EMPTY_BODY: "thân sự kiện trống",
    Reason.NOT_JSON: "thân sự kiện không phải JSON",
    Reason.INVALID_DATA: "thân sự kiện không phải đối tượng JSON hợp lệ",
    Reason.HANDLER_FAILED: "lỗi của hệ thống khi xử lý",
}
