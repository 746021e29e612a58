"""What is sent, as bytes: an agency's JSON and CloudEvents headers, as the integrator guide describes them."""

import json
from collections.abc import Mapping
from typing import Any

from demo.dispatch import EXPLANATION_TYPE, PACKAGE_TYPE, ExplanationBody, Garbage, GarbageBody, PackageBody, ReportBody
from demo.sample import MARKS, Figures

Headers = list[tuple[str, bytes]]
UNKNOWN_TYPE = "vn.lienthong.telegram.v1"
NOT_JSON = "Kính gửi Cục Thống kê: số liệu tháng 6 xem tệp đính kèm.".encode()
TOO_LARGE_BYTES = 640 * 1024  # inline observations end at 512 KiB


def package_json(package: PackageBody, *, numbers: bool) -> dict[str, Any]:
    """Return the body of a package. Values are JSON numbers, or decimals in strings; both are allowed."""
    body: dict[str, Any] = {
        "form": package.form,
        "document_number": package.document_number,
        "reports": [_report(report, numbers=numbers) for report in package.reports],
    }
    if package.on_behalf_of is not None:
        body["on_behalf_of"] = package.on_behalf_of
    return body


def explanation_json(explanation: ExplanationBody) -> dict[str, Any]:
    """Return the body of an explanation."""
    delivery = explanation.delivery
    return {
        "form": delivery.form,
        "period": delivery.period,
        "status": delivery.status,
        "version": explanation.version,
        "explanations": [{"rule": each.rule, "text": each.text} for each in explanation.explanations],
    }


def encoded(body: Mapping[str, Any]) -> bytes:
    """Return JSON in UTF-8."""
    return json.dumps(body, ensure_ascii=False).encode()


def cloud_event(body: PackageBody | ExplanationBody, source: str, event_id: str) -> tuple[Headers, bytes]:
    """Return headers and value of a CloudEvent in binary mode."""
    if isinstance(body, PackageBody):
        return _headers(PACKAGE_TYPE, source, event_id), encoded(package_json(body, numbers=False))
    return _headers(EXPLANATION_TYPE, source, event_id), encoded(explanation_json(body))


def spoiled_event(garbage: GarbageBody, source: str, event_id: str) -> tuple[Headers, bytes]:
    """Return headers and value of a message that cannot be read."""
    value = encoded(package_json(garbage.package, numbers=False))
    headers = _headers(PACKAGE_TYPE, source, event_id)
    match garbage.kind:
        case Garbage.NOT_JSON:
            return headers, NOT_JSON
        case Garbage.TORN_JSON:
            return headers, value[: len(value) // 2]
        case Garbage.NO_ID:
            return [(name, raw) for name, raw in headers if name != "ce_id"], value
        case Garbage.BAD_HEADER:
            return [(name, b"\xff\xfe" + raw if name == "ce_id" else raw) for name, raw in headers], value
        case Garbage.UNKNOWN_TYPE:
            return _headers(UNKNOWN_TYPE, source, event_id), value
        case _:
            raise ValueError(f"{garbage.kind} does not come through Kafka")


def spoiled_body(garbage: GarbageBody) -> bytes:
    """Return the body of a request that cannot be taken, or a good one where the body is not what is wrong."""
    match garbage.kind:
        case Garbage.NOT_JSON:
            return NOT_JSON
        case Garbage.TOO_LARGE:
            body = package_json(garbage.package, numbers=False)
            observations = body["reports"][0]["observations"]
            times = TOO_LARGE_BYTES // max(1, len(encoded(body))) + 1
            body["reports"][0]["observations"] = observations * times
            return encoded(body)
        case Garbage.NO_TOKEN | Garbage.UNKNOWN_TOKEN:
            return encoded(package_json(garbage.package, numbers=True))
        case _:
            raise ValueError(f"{garbage.kind} is no JSON over HTTP")


def _report(report: ReportBody, *, numbers: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "period": report.delivery.period,
        "status": report.delivery.status,
        "observations": _observations(report.figures, numbers=numbers),
    }
    if report.explanations:
        body["explanations"] = [{"rule": each.rule, "text": each.text} for each in report.explanations]
    return body


def _observations(figures: Figures, *, numbers: bool) -> list[dict[str, Any]]:
    """Return the cells; a total says no dimension, the value column goes without saying, a missing value is null."""
    observations = []
    for cell, text in figures.items():
        observation: dict[str, Any] = {"indicator": cell.indicator}
        if cell.dimensions:
            observation["dimensions"] = dict(cell.dimensions)
        if cell.column != "value":
            observation["column"] = cell.column
        observation["value"] = _value(text, numbers=numbers)
        observations.append(observation)
    return observations


def _value(text: str, *, numbers: bool) -> float | str | None:
    if text == "":
        return None
    return float(text) if numbers and text not in MARKS else text


def _headers(event_type: str, source: str, event_id: str) -> Headers:
    return [
        ("ce_specversion", b"1.0"),
        ("ce_type", event_type.encode()),
        ("ce_source", source.encode()),
        ("ce_id", event_id.encode()),
        ("content-type", b"application/json"),
    ]
