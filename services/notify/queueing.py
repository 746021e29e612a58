"""From what is known to mails in the queue: plan reminders, tell those whose time has come, merge steps into mails.

Each function is one transaction on some units, under their locks, so that replicas take turns.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.notify.context import Context
from services.notify.domain.delivery import Delivery
from services.notify.domain.ladder import next_reminder, reminder_due
from services.notify.domain.mails import message_id, plan_mails
from services.notify.domain.steps import Kind, Step
from services.notify.metrics import NOBODY, STEPS
from services.notify.storage import deliveries, mails, steps
from services.notify.storage.steps import StepState
from shared.bus.partitions import slot_of
from shared.bus.work import Work
from shared.logs import get_logger

UNOPENED_RETRY_SECONDS = 5.0
"""A verdict may be read before the delivery's `opened`: it is looked at again so much later."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Queued:
    """What one transaction did."""

    mail_count: int = 0
    nobody_count: int = 0


async def plan_reminders(work: Work[Context], units: Collection[str], watermarks: dict[int, datetime]) -> int:
    """Work out when the reminders of these units have to be looked at; return how many deliveries were planned.

    A new policy holds from now on: what it would have told before is not told late.
    """
    policy, release = work.context.state.policy, work.context.state.snapshot.release
    unplanned = await deliveries.load_unplanned(work.session, units, policy.fingerprint, release)
    plans = []
    for delivery, planned_before in unplanned:
        known = delivery
        if planned_before:
            watermark = watermarks.get(slot_of(delivery.id.unit))
            known = replace(known, reminded_through=_later(known.reminded_through, watermark))
        plans.append((known, _look_at(known, work.context)))
    await deliveries.set_plans(work.session, plans, policy.fingerprint, release)
    return len(plans)


async def tell_reminders(work: Work[Context], unit: str, watermark: datetime) -> int:
    """Record the reminders of a unit whose instant its watermark has passed; return how many there were."""
    policy, release = work.context.state.policy, work.context.state.snapshot.release
    due: list[Step] = []
    looked_at = []
    for delivery in await deliveries.load_overdue(work.session, unit, watermark):
        step = reminder_due(delivery, policy, watermark)
        due += [step] if step is not None else []
        known = replace(delivery, reminded_through=_later(delivery.reminded_through, watermark))
        looked_at.append((known, _look_at(known, work.context)))
    await deliveries.set_plans(work.session, looked_at, policy.fingerprint, release)
    count = await steps.add_steps(work.session, due, work.context.clock.machine_now())
    STEPS.labels(Kind.REMINDER.value).inc(count)
    return count


async def queue_mails(work: Work[Context], unit: str) -> Queued:
    """Merge the unit's steps that have settled into mails, one for each occasion and contact, and queue them."""
    now = work.context.clock.machine_now()
    ready = await steps.load_ready(work.session, unit, now)
    known = await deliveries.load(work.session, {step.delivery for step in ready})
    unopened = [step for step in ready if not known[step.delivery].opened]
    history = [step for step in ready if known[step.delivery].opened and not known[step.delivery].announced]
    telling = [step for step in ready if known[step.delivery].announced]
    await steps.postpone(work.session, unopened, now + timedelta(seconds=UNOPENED_RETRY_SECONDS))
    await steps.set_state(work.session, history, StepState.SKIPPED)
    contacts = work.context.state.contacts.of(unit)
    planned = plan_mails(telling, contacts, work.context.state.policy.timezone)
    told: set[Step] = set()
    mail_count = 0
    for mail in planned:
        told |= set(mail.steps)
        before = await mails.told_already(work.session, mail.contact_id, mail.steps)
        fresh = replace(mail, steps=tuple(step for step in mail.steps if step not in before))
        if not fresh.steps:
            continue
        await mails.add_mail(
            work.session,
            fresh,
            message_id=message_id(mail.contact_id, fresh.notices, work.context.settings.message_id_domain),
            unit=unit,
            queued_at=work.now,
            now=now,
        )
        mail_count += 1
    nobody = [step for step in telling if step not in told]
    await steps.set_state(work.session, told, StepState.TOLD)
    await steps.set_state(work.session, nobody, StepState.NOBODY)
    for step in nobody:
        NOBODY.labels(step.kind.value).inc()
        log.warning("nobody_to_tell", unit=unit, delivery=str(step.delivery), step=step.name)
    return Queued(mail_count, len(nobody))


def _look_at(delivery: Delivery, context: Context) -> datetime | None:
    step = next_reminder(delivery, context.state.policy)
    return step.at if step is not None else None


def _later(instant: datetime | None, other: datetime | None) -> datetime | None:
    return max((each for each in (instant, other) if each is not None), default=None)
