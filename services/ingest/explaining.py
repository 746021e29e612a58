"""Takes explanations of versions that were judged `needs_explanation`."""

from uuid import uuid4

from structlog.contextvars import bind_contextvars

from services.ingest import metrics
from services.ingest.domain.findings import Door, finding
from services.ingest.domain.incoming import Where
from services.ingest.door import Arrival, Found, Outcome, known_before, publish_received, reject, remember, repeat
from services.ingest.state import IngestState
from services.ingest.storage.packages import Submission, add_explanation, submission_of
from shared.bus.work import Work
from shared.delivery_id import DeliveryId
from shared.events.agency import ExplanationV1, Receipt
from shared.events.findings import Finding, Verdict
from shared.events.submissions import Channel, SubmissionExplainedV1
from shared.text import Text


async def explain(arrival: Arrival, content: ExplanationV1 | Found, work: Work[IngestState]) -> Outcome:
    """Take or reject an explanation; the unit's lock is held. The outcome names the package that was explained."""
    if (known := await known_before(arrival, work)) is not None:
        return await repeat(arrival, known, work)
    if not isinstance(content, ExplanationV1):
        return await _refuse(arrival, content, work)
    submission = await _explained(content, arrival.unit, work)
    if isinstance(submission, Finding):
        return await _refuse(arrival, (submission,), work)
    bind_contextvars(correlation_id=str(submission.package_id))
    delivery = submission.delivery
    await add_explanation(
        work.session,
        explanation_id=uuid4(),
        submission=submission,
        at=arrival.received_at,
        original=arrival.original,
        sender=arrival.sender,
    )
    data = SubmissionExplainedV1(
        delivery_id=delivery,
        package_id=submission.package_id,
        version=submission.version,
        explained_at=arrival.received_at,
        explanations=content.explanations,
        original=arrival.original,
        sent_as=arrival.sent_as,
    )
    work.publish(
        data,
        unit=arrival.unit,
        subject=str(delivery),
        cause=arrival.event,
        correlation_id=str(submission.package_id),
    )
    answer = None
    if arrival.channel is Channel.KAFKA:
        receipts = (Receipt(delivery_id=delivery, version=submission.version),)
        answer = publish_received(arrival, submission.package_id, receipts, work)
    await remember(arrival, submission.package_id, answer, work)
    metrics.EXPLANATIONS.labels("received").inc()
    return Outcome(submission.package_id)


async def _explained(content: ExplanationV1, unit: str, work: Work[IngestState]) -> Submission | Finding:
    """Return the version that may be explained now, or why there is none."""
    try:
        delivery = DeliveryId.of(unit, content.form, content.period, content.status)
    except ValueError:
        return _no_such_form(content.form)
    newest = await submission_of(work.session, delivery, None)
    if newest is None or (content.version is not None and content.version > newest.version):
        return _no_such_version(delivery, content.version)
    if content.version not in {None, newest.version}:
        return _not_newest(content.version, newest.version)
    if newest.judged is None or newest.judged.verdict is not Verdict.NEEDS_EXPLANATION:
        return _nothing_to_explain(newest)
    return newest


async def _refuse(arrival: Arrival, findings: Found, work: Work[IngestState]) -> Outcome:
    """Over HTTP nothing is remembered of a refusal: the same request may come again after the verdict."""
    metrics.EXPLANATIONS.labels("refused").inc()
    if arrival.channel is Channel.KAFKA:
        await reject(arrival, uuid4(), findings, work)
    return Outcome(None, findings)


def _no_such_form(form: str) -> Finding:
    return finding(
        Door.UNKNOWN_FORM,
        Text(vi="Mã biểu không hợp lệ", en="The code of the form is not valid"),
        Text(vi="Ghi mã biểu như trong danh mục.", en="Write the code of the form as the catalogue has it."),
        Where(document="form"),
        observed=form,
    )


def _not_newest(version: int | None, newest: int) -> Finding:
    return finding(
        Door.NOT_NEWEST_VERSION,
        Text(
            vi=f"Phiên bản {version} đã được thay bằng phiên bản {newest}",
            en=f"Version {version} was replaced by version {newest}",
        ),
        Text(
            vi=f"Chỉ giải trình phiên bản mới nhất ({newest}), nếu nó chờ giải trình.",
            en=f"Explain the newest version alone ({newest}), if it waits for an explanation.",
        ),
        Where(document="version"),
        expected=str(newest),
        observed=str(version),
    )


def _no_such_version(delivery: DeliveryId, version: int | None) -> Finding:
    said = "" if version is None else f" {version}"
    return finding(
        Door.NO_SUCH_VERSION,
        Text(vi=f"Không có phiên bản{said} của {delivery}", en=f"There is no version{said} of {delivery}"),
        Text(
            vi="Kiểm tra biểu, kỳ, mức độ và số phiên bản trong câu trả lời đã nhận.",
            en="Check form, period, status and the version in the answer that you got.",
        ),
        Where(document="version"),
    )


def _nothing_to_explain(submission: Submission) -> Finding:
    verdict = submission.judged.verdict.value if submission.judged else None
    return finding(
        Door.NOTHING_TO_EXPLAIN,
        Text(
            vi=f"Phiên bản {submission.version} không chờ giải trình (kết quả: {verdict or 'chưa có'})",
            en=f"Version {submission.version} does not wait for an explanation (verdict: {verdict or 'none yet'})",
        ),
        Text(
            vi="Chỉ giải trình khi kết quả là needs_explanation; nếu bị trả lại, gửi phiên bản mới.",
            en="Explain only after the verdict needs_explanation; after returned, send a new version.",
        ),
        Where(document="version"),
        observed=verdict,
    )
