"""Brings notify's database up to what it published after the copy that it was restored from (`lienthong recover`).

Who was told what stands on `notifications`: those mails count as done before anything is sent, so nobody is told twice.
"""

from collections.abc import Mapping

from services.notify.app import EVENTS_GROUP
from services.notify.domain.steps import Kind
from services.notify.storage.mails import MailState
from services.notify.storage.recovered import settle_mail
from services.notify.storage.tables import SERVICE, bus
from shared.bus.recovery import Findings, Reached, Recovery
from shared.bus.topics import DEADLINES, NOTIFICATIONS, SUBMISSIONS, VALIDATION_RESULTS
from shared.bus.work import Work
from shared.events.base import EventData
from shared.events.notifications import NotificationFailedV1, NotificationSentV1, NotificationSuppressedV1
from shared.text import Text

ENDS: Mapping[type[EventData], MailState] = {
    NotificationSentV1: MailState.SENT,
    NotificationFailedV1: MailState.FAILED,
    NotificationSuppressedV1: MailState.SUPPRESSED,
}


async def adopt(work: Work[None], reached: Reached, findings: Findings) -> None:
    """Note as done what was told, given up and struck out after the copy."""
    count = 0
    async for told in reached.past.events(NOTIFICATIONS.pattern, list(ENDS)):
        data = told.event.data
        kind = Kind(data.notices[0].step.partition(":")[0])
        package = told.event.correlation_id
        count += await settle_mail(
            work.session,
            data,
            ENDS[type(data)],
            unit=told.event.unit,
            kind=kind,
            occasion=kind.value if package is None else f"{kind.value} {package}",
        )
    findings.done.append(
        Text(
            vi=f"Đọc lại {count} lần đã gửi hoặc thôi gửi thư; không thư nào trong đó được gửi lần nữa.",
            en=f"Read back {count} ends of mails; none of these mails will be sent again.",
        )
    )
    findings.left.append(
        Text(
            vi="Thư đã rời máy chủ mà chưa kịp ghi nhận sẽ đi lần nữa: so với nhật ký máy chủ thư theo Message-ID.",
            en="A mail that had left and was not told of on the topic leaves once more: compare the mail server's log "
            "by Message-ID.",
        )
    )


RECOVERY = Recovery(
    service=SERVICE,
    tables=bus,
    groups={EVENTS_GROUP: "|".join(topic.pattern for topic in (DEADLINES, SUBMISSIONS, VALIDATION_RESULTS))},
    adopt=adopt,
)
