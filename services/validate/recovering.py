"""Brings validate's database up to what it published after the copy that it was restored from (`lienthong recover`).

A verdict that was told stays: judged anew, by a later release, it could come out otherwise, and every reader would drop
the new one as a repetition. So judgements are read back as they were told; what was not judged yet is judged then.
"""

from services.validate.app import EVENTS_GROUP
from services.validate.known import AcceptedNow
from services.validate.storage.judgements import (
    Judgement,
    StoredJudgement,
    add_judgements,
    add_submissions,
    judgements_of,
    load_submission,
)
from services.validate.storage.tables import SERVICE, bus
from shared.bus.inbox import Identity
from shared.bus.past import Told
from shared.bus.recovery import Findings, Reached, Recovery, note_handled
from shared.bus.topics import SUBMISSIONS, VALIDATION_RESULTS
from shared.bus.work import Work
from shared.events.findings import Severity
from shared.events.submissions import SubmissionExplainedV1, SubmissionReceivedV1
from shared.events.validation_results import ValidationCompletedV1, ValidationReassessedV1
from shared.text import Text


async def adopt(work: Work[None], reached: Reached, findings: Findings) -> None:
    """Store the judgements that were told after the copy, with what they judged and the figures they let through."""
    read = reached.past.events
    types = (ValidationCompletedV1, ValidationReassessedV1)
    results = [each async for each in read(VALIDATION_RESULTS.pattern, types)]
    submissions = read(SUBMISSIONS.pattern, (SubmissionReceivedV1, SubmissionExplainedV1))
    causes = {each.event.id: each async for each in submissions}
    await work.lock_units({each.event.unit for each in results})
    done = []
    for each in results:
        cause = causes.get(each.event.causation_id or "")
        if cause is not None and await _adopt(each, cause, work):
            done.append(Identity(cause.event.source, cause.event.id))
    await note_handled(work.session, bus, done, reached)
    findings.done.append(
        Text(
            vi=f"Đọc lại {len(done)} kết quả kiểm tra đã công bố; phần còn lại sẽ được kiểm tra khi chạy lại.",
            en=f"Read back {len(done)} judgements that were told; what was not judged yet will be, once it runs.",
        )
    )


async def _adopt(told: Told, cause: Told, work: Work[None]) -> bool:
    """Store one judgement; False when it is there already, or when the one before it is not."""
    result: Judgement = told.event.data
    before = [each for each in await judgements_of(work.session, result.delivery_id) if _same_version(each, result)]
    if len(before) != result.judgement - 1:
        return False
    if isinstance(cause.event.data, SubmissionReceivedV1):
        await add_submissions(work.session, [cause.event.data])
        warned = warned_by(result)
        explained = frozenset[str]()
    else:
        warned, explained = before[-1].warned, before[-1].explained
    explained |= {explanation.rule for explanation in cause.event.data.explanations} & warned
    await add_judgements(work.session, [StoredJudgement(result, warned, explained)])
    if result.verdict.acceptable:
        submission = await load_submission(work.session, result.delivery_id, result.version)
        accepted = await AcceptedNow.load(work.session, None, [result.delivery_id])
        accepted.take(submission, result, cause.event, work)
        await accepted.store(work)
    return True


def warned_by(result: Judgement) -> frozenset[str]:
    """Return the rules that warn in a judgement, as far as its findings, which are capped, tell."""
    return frozenset(finding.rule for finding in result.findings if finding.severity is Severity.WARNING)


def _same_version(stored: StoredJudgement, result: Judgement) -> bool:
    return stored.result.version == result.version


RECOVERY = Recovery(service=SERVICE, tables=bus, groups={EVENTS_GROUP: SUBMISSIONS.pattern}, adopt=adopt)
