"""Deliveries in addresses, and who may see them."""

from http import HTTPStatus

from fastapi import Request

from shared.access import UNIT_SCOPE_PREFIX, Identity, forbidden
from shared.delivery_id import DeliveryId
from shared.problems import ProblemError
from shared.text import Text

OFFICE_SCOPES = ("statistician", "leader", "operator")
"""Scopes that see every unit."""


def delivery_in_path(request: Request, decoded: str, prefix: str, suffix: str = "") -> DeliveryId:
    """Read a delivery's id from the path as it was sent, where `%2F` is still told from `/`.

    Behind a proxy that decodes it: the unit is first, period and status are last, the form is what lies between.
    Raises ProblemError 404 when it is none.
    """
    raw = request.scope.get("raw_path", b"").decode("ascii", "replace").partition("?")[0]
    _, found, sent = raw.partition(prefix)
    if found:
        try:
            return DeliveryId.parse(sent.removesuffix(suffix))
        except ValueError:
            pass  # a proxy has decoded it
    unit, _, rest = decoded.partition("/")
    parts = rest.rsplit("/", 2)
    try:
        return DeliveryId.of(unit, *parts)
    except (ValueError, TypeError):
        raise bad_delivery_id(decoded) from None


def bad_delivery_id(text: str) -> ProblemError:
    """Return the problem of an address that names no delivery."""
    return ProblemError(
        HTTPStatus.NOT_FOUND,
        "bad_delivery_id",
        Text(vi="Địa chỉ không phải của một lần báo cáo", en="The address names no delivery"),
        Text(
            vi=f"«{text}»: viết đơn-vị/biểu/kỳ/mức-độ, mỗi phần mã hóa phần trăm, ví dụ A/001.T%2FB/2024-06/estimate.",
            en=f"“{text}”: write unit/form/period/status, each percent-encoded, such as A/001.T%2FB/2024-06/estimate.",
        ),
    )


def require_unit(identity: Identity, unit: str) -> None:
    """Raise a 403 unless the identity speaks for the unit or works in the office."""
    if unit not in identity.units and not identity.has(*OFFICE_SCOPES):
        raise forbidden(identity, UNIT_SCOPE_PREFIX + unit)
