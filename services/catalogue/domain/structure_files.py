"""Reads units and indicators."""

from collections import defaultdict
from collections.abc import Container

from services.catalogue.domain.references import check_known
from services.catalogue.domain.sheets import Findings, Row, read_rows
from services.catalogue.domain.versions import in_order, validity
from shared.delivery_id import UNIT_CODE
from shared.events.catalogue import Accumulation, IndicatorV1, IndicatorVersion, UnitV1, UnitVersion
from shared.text import Text

UNITS, INDICATORS = "units.csv", "indicators.csv"


def read_units(content: str, findings: Findings) -> dict[str, UnitV1]:
    """Read units.csv; several rows of one code are its history."""
    found: dict[str, list[tuple[Row, UnitVersion]]] = defaultdict(list)
    for row in read_rows(UNITS, content, ("code", "name_vi", "kind"), findings):
        code = row.text("code")
        if code and UNIT_CODE.fullmatch(code) is None:
            row.fault(
                "code",
                Text(vi=f"Mã đơn vị «{code}» không đúng", en=f"“{code}” is no unit code"),
                Text(
                    vi="Dùng 1 đến 32 chữ hoa A–Z, chữ số hoặc gạch nối",
                    en="Use 1 to 32 capitals A–Z, digits or hyphens",
                ),
            )
        version = UnitVersion(
            name=row.name(),
            kind=row.text("kind"),
            parent=row.optional("parent"),
            geo_code=row.optional("geo_code"),
            kafka_door=row.flag("kafka_door", default=False),
            **validity(row),
        )
        if code:  # also from a faulty row: what names it is not at fault
            found[code].append((row, version))
    units = {code: UnitV1(code=code, versions=in_order(rows)) for code, rows in found.items()}
    for rows in found.values():
        for row, version in rows:
            check_known(row, "parent", version.parent, units)
    return units


def read_indicators(content: str, dimensions: Container[str], findings: Findings) -> dict[str, IndicatorV1]:
    """Read indicators.csv; several rows of one code are its history."""
    found: dict[str, list[tuple[Row, IndicatorVersion]]] = defaultdict(list)
    required = ("code", "name_vi", "unit_of_measure", "group", "dimensions", "accumulation")
    for row in read_rows(INDICATORS, content, required, findings):
        code = row.text("code")
        version = IndicatorVersion(
            name=row.name(),
            unit_of_measure=row.text("unit_of_measure"),
            group=row.text("group"),
            dimensions=row.names("dimensions"),
            accumulation=row.choice("accumulation", Accumulation),
            **validity(row),
        )
        for dimension in version.dimensions:
            check_known(row, "dimensions", dimension, dimensions)
        if code:  # also from a faulty row: what names it is not at fault
            found[code].append((row, version))
    return {code: IndicatorV1(code=code, versions=in_order(rows)) for code, rows in found.items()}
