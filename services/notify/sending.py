"""Sends the queue: claim a mail in a short transaction, look a last time, send with no connection to the database
held, record the outcome in a second transaction.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.notify.context import Context
from services.notify.domain.compose import Setting, Told, compose
from services.notify.domain.letter import Letter
from services.notify.domain.message import Envelope, build_message, sender_address
from services.notify.domain.recheck import Recheck
from services.notify.domain.steps import Step, package_of
from services.notify.mail_health import MailHealth
from services.notify.mail_server import Connection, MailRefusedError, MailServer, MailServerAwayError
from services.notify.metrics import MAILS, SEND_FAILURES, SEND_SECONDS, STRUCK_OUT
from services.notify.storage import deliveries, mails, steps
from services.notify.storage.mails import MailState, QueuedMail
from shared.bus.cloudevents import deterministic_id
from shared.bus.retry import Backoff
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.bus.work import Work
from shared.events.catalogue import ContactV1
from shared.events.notifications import (
    Notice,
    NotificationEvent,
    NotificationFailedV1,
    NotificationSentV1,
    NotificationSuppressedV1,
)
from shared.failpoints import reach
from shared.logs import get_logger

CONTACT_GONE = "contact_gone"
RETRY_EXPONENT_MAX = 30

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A mail that is ours to send: whom it goes to, and what of it is still true."""

    mail: QueuedMail
    contact: ContactV1
    told: tuple[Told, ...]
    now: datetime

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the mail names."""
        return mails.notices_of([each.step for each in self.told])


class Sender:
    """One sender; several may run, in one process or in many. The last look is `recheck`."""

    def __init__(
        self,
        units_of_work: UnitOfWorkFactory[Context],
        context: Context,
        server: MailServer,
        recheck: Recheck,
        *,
        ingest_url: str,
        simulated: bool,
        health: MailHealth | None = None,
    ) -> None:
        self._units_of_work = units_of_work
        self._context = context
        self._settings = context.settings
        self._server = server
        self._recheck = recheck
        self._ingest_url = ingest_url
        self._simulated = simulated
        self.health = health or MailHealth()
        self._next_send_at = 0.0

    async def run(self, stopping: asyncio.Event) -> None:
        """Send what is due until there is nothing, or `stopping` is set. Raises what the database raises."""
        backoff = Backoff(first_seconds=1.0, seconds_max=30.0)
        while not stopping.is_set() and await self._next() is not None:
            try:
                async with self._server.connect() as connection:
                    await self._send_due(connection, stopping)
            except MailServerAwayError as error:
                # Nothing is claimed, so no mail uses up a try: this goes on as long as the server is away.
                self.health.silent()
                SEND_FAILURES.labels("server_away").inc()
                log.warning("mail_server_away", error=str(error))
                await backoff.pause(stopping)

    async def _send_due(self, connection: Connection, stopping: asyncio.Event) -> None:
        """Send over one connection until the queue is empty, the connection lost, or it has carried its share."""
        for _ in range(self._settings.mails_per_connection_max):
            if stopping.is_set() or (due := await self._next()) is None:
                self.health.at_rest()
                return
            claimed = await self._claim(*due)
            if claimed is not None and not await self._send(claimed, connection):
                return

    async def _next(self) -> tuple[int, str] | None:
        async with self._units_of_work.sessions() as session:
            return await mails.next_due(session, self._context.clock.machine_now())

    async def _claim(self, mail_id: int, unit: str) -> Claimed | None:
        """Claim a mail and strike out what is no longer true; None when nothing is left to send.

        The unit is locked, so no event about it is half taken in while its mail is looked at.
        """
        now = self._context.clock.machine_now()
        until = now + timedelta(seconds=self._settings.lease_seconds)
        async with self._units_of_work.begin([unit]) as work:
            mail = await mails.claim(work.session, mail_id, now=now, until=until)
            if mail is None:
                return None
            contact = self._context.state.contacts.by_id.get(mail.contact_id)
            told, struck_out = await self._look(work, mail)
            if contact is None:
                struck_out |= {each.step: CONTACT_GONE for each in told}
            await self._strike_out(work, mail, struck_out)
            if contact is None or not told:
                reason = _reasons(struck_out)
                await mails.finish(work.session, mail, MailState.SUPPRESSED, at=work.now, reason=reason)
                self.health.done_with(mail.id, mail.contact_id)
                MAILS.labels(mail.kind.value, MailState.SUPPRESSED.value).inc()
                log.info("mail_suppressed", message_id=mail.message_id, unit=unit, reason=reason)
                return None
            return Claimed(mail, contact, told, work.now)

    async def _look(self, work: Work[Context], mail: QueuedMail) -> tuple[tuple[Told, ...], dict[Step, str]]:
        known = await deliveries.load(work.session, {step.delivery for step in mail.steps})
        verdicts = await steps.load_returns(work.session, mail.steps)
        told: list[Told] = []
        struck_out: dict[Step, str] = {}
        for step in mail.steps:
            untrue = self._recheck(step, known[step.delivery], work.now)
            if untrue is None:
                told.append(Told(step, known[step.delivery], verdicts.get(step)))
            else:
                struck_out[step] = untrue.value
        return tuple(told), struck_out

    async def _strike_out(self, work: Work[Context], mail: QueuedMail, struck_out: Mapping[Step, str]) -> None:
        if not struck_out:
            return
        for step, reason in struck_out.items():
            await mails.strike_out(work.session, mail, step, reason)
            STRUCK_OUT.labels(reason).inc()
        notices = mails.notices_of(list(struck_out))
        suppressed = NotificationSuppressedV1(
            message_id=mail.message_id,
            contact_id=mail.contact_id,
            notices=notices,
            at=work.now,
            reason=_reasons(struck_out),
        )
        _publish(work, mail, suppressed, "suppressed", *(f"{each.delivery_id};{each.step}" for each in notices))

    async def _send(self, claimed: Claimed, connection: Connection) -> bool:
        """Send one mail and record the outcome; return whether the connection can carry another one."""
        mail = claimed.mail
        try:
            letter, content = self._compose(claimed)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            # An address that is none, or a fault of ours: it costs this mail alone, and is seen.
            log.exception("mail_not_composed", message_id=mail.message_id, unit=mail.unit)
            await self._fail(claimed, f"{type(error).__name__}: {error}")
            return True
        await self._keep_pace()
        started_at = time.monotonic()
        try:
            await connection.send(sender_address(self._settings.sender), claimed.contact.email, content)
        except MailRefusedError as error:
            await self._refused(claimed, error)
            return not error.connection_lost
        self.health.taken(mail.id)
        SEND_SECONDS.observe(time.monotonic() - started_at)
        await reach("notify.before_sent")
        await self._sent(claimed, letter.subject)
        return True

    def _compose(self, claimed: Claimed) -> tuple[Letter, bytes]:
        setting = Setting(
            snapshot=self._context.state.snapshot,
            now=claimed.now,
            simulated=self._simulated,
            url=self._ingest_url,
            mistakes_shown_max=self._settings.mistakes_shown_max,
            page_url=self._settings.page_url,
        )
        letter = compose(claimed.mail.kind, claimed.told, claimed.contact, setting)
        envelope = Envelope(
            message_id=claimed.mail.message_id,
            sender=self._settings.sender,
            reply_to=self._settings.reply_to,
            recipient_name=claimed.contact.name,
            recipient=claimed.contact.email,
            at=claimed.now.astimezone(setting.zone),
            simulated=self._simulated,
        )
        return letter, build_message(letter, envelope, claimed.notices)

    async def _keep_pace(self) -> None:
        """Leave the mail server the time that the settings promise it."""
        now = time.monotonic()
        if self._next_send_at > now:
            await asyncio.sleep(self._next_send_at - now)
        self._next_send_at = max(now, self._next_send_at) + 1 / self._settings.mails_per_second_max

    async def _sent(self, claimed: Claimed, subject: str) -> None:
        mail = claimed.mail
        async with self._units_of_work.begin([mail.unit]) as work:
            if not await mails.finish(work.session, mail, MailState.SENT, at=work.now, subject=subject):
                # Another sender took it over: the receiver has it twice, under one Message-ID, and one record.
                log.warning("mail_sent_after_lease", message_id=mail.message_id, unit=mail.unit)
                return
            sent = NotificationSentV1(
                message_id=mail.message_id, contact_id=mail.contact_id, notices=claimed.notices, at=work.now
            )
            _publish(work, mail, sent, "sent")
        MAILS.labels(mail.kind.value, MailState.SENT.value).inc()
        log.info("mail_sent", message_id=mail.message_id, unit=mail.unit, contact=mail.contact_id, kind=mail.kind.value)

    async def _refused(self, claimed: Claimed, error: MailRefusedError) -> None:
        """Give a mail up, or put it back: for good only when the server meanwhile takes what others get."""
        mail = claimed.mail
        its_own_fault = self.health.refused(mail.id, mail.contact_id)
        if error.connection_lost:
            self.health.silent()
        if its_own_fault and (error.permanent or mail.attempt >= self._settings.attempts_max):
            await self._fail(claimed, str(error))
            return
        SEND_FAILURES.labels("connection_lost" if error.connection_lost else "refused_for_now").inc()
        seconds = min(
            self._settings.retry_seconds_max,
            self._settings.retry_first_seconds * 2.0 ** min(mail.attempt - 1, RETRY_EXPONENT_MAX),
        )
        next_attempt_at = self._context.clock.machine_now() + timedelta(seconds=seconds)
        async with self._units_of_work.begin([mail.unit]) as work:
            await mails.try_later(work.session, mail, next_attempt_at=next_attempt_at, reason=str(error))
        log.warning("mail_refused_for_now", message_id=mail.message_id, attempt=mail.attempt, error=str(error))

    async def _fail(self, claimed: Claimed, reason: str) -> None:
        mail = claimed.mail
        self.health.done_with(mail.id, mail.contact_id)
        async with self._units_of_work.begin([mail.unit]) as work:
            if not await mails.finish(work.session, mail, MailState.FAILED, at=work.now, reason=reason):
                return
            failed = NotificationFailedV1(
                message_id=mail.message_id,
                contact_id=mail.contact_id,
                notices=claimed.notices,
                at=work.now,
                reason=reason,
            )
            _publish(work, mail, failed, "failed")
        MAILS.labels(mail.kind.value, MailState.FAILED.value).inc()
        log.error("mail_failed", message_id=mail.message_id, unit=mail.unit, contact=mail.contact_id, reason=reason)


def _publish(work: Work[Context], mail: QueuedMail, data: NotificationEvent, *what: str) -> None:
    work.publish(
        data,
        unit=mail.unit,
        subject=str(data.notices[0].delivery_id),
        event_id=deterministic_id(mail.message_id, *what),
        correlation_id=package_of(mail.occasion),
    )


def _reasons(struck_out: Mapping[Step, str]) -> str:
    return ", ".join(sorted(set(struck_out.values())))
