"""What can be wrong with a request to the catalogue."""

from http import HTTPStatus

from services.catalogue.domain.delivery import State
from shared.problems import ProblemError
from shared.text import Text


def no_catalogue() -> ProblemError:
    """Return the problem that nothing was loaded yet."""
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "no_catalogue",
        Text(vi="Chưa có danh mục", en="There is no catalogue yet"),
        Text(vi="Nạp danh mục bằng `lienthong catalogue load`.", en="Load one with `lienthong catalogue load`."),
        headers={"Retry-After": "5"},
    )


def not_found(kind: Text, code: str) -> ProblemError:
    """Return the problem that there is nothing of that name."""
    return ProblemError(
        HTTPStatus.NOT_FOUND,
        "not_found",
        Text(vi="Không tìm thấy", en="Not found"),
        Text(vi=f"Không có {kind.vi} «{code}».", en=f"There is no {kind.en} “{code}”."),
    )


def bad_workbook_request(detail: Text) -> ProblemError:
    """Return the problem of a workbook whose deliveries are not named as they should be."""
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "bad_workbook_request",
        Text(vi="Yêu cầu biểu không đúng", en="The request for a form is not right"),
        detail,
    )


def cannot_extend(detail: Text) -> ProblemError:
    """Return the problem of a delivery that gets no more time."""
    return ProblemError(
        HTTPStatus.CONFLICT, "cannot_extend", Text(vi="Không gia hạn được", en="No more time can be granted"), detail
    )


def state_cannot_extend(state: State) -> ProblemError:
    """Return the problem of a delivery that is not open or has no date."""
    return cannot_extend(
        Text(
            vi=f"Lần báo cáo đang ở tình trạng «{state.value}» hoặc không có thời hạn.",
            en=f"The delivery is “{state.value}”, or it has no date.",
        )
    )
