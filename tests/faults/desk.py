"""What people do in a town, and what they see: the clock, the mailbox, tokens, releases, extensions."""

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

from demo.facts import Mail, Notification
from demo.mailbox import mail_of
from deploy.embedded.stack import DEFAULT_SAMPLE, DEFAULT_START
from tests.faults.shares import Share
from tests.parts import until
from tests.system.town import Town

LATER = timedelta(minutes=5)


async def business_now(town: Town) -> datetime:
    await town.stack.wait_ready()
    answer = await town.client.get(f"{town.stack.addresses.notify}/health/live")
    return datetime.fromisoformat(answer.json()["business_time"])


async def advance_past(town: Town, to: datetime) -> None:
    await town.stack.run("clock", "advance", "--to", (to + LATER).isoformat())


def next_deadline(town: Town, now: datetime) -> datetime:
    return min(due.due_at for due in town.sample.timetable.dues if due.due_at > now)


async def pass_instants_and_see_their_mails(share: Share, count: int) -> None:
    """Let the instants of reminders and deadlines come, one by one, and wait for a mail of each."""
    town = share.town
    for _ in range(count):
        now = await business_now(town)
        instants = town.sample.timetable.instants()
        at = next(
            each for each, about in instants.items() if each > now and about & share.deliveries - {share.reserved}
        )
        had = set(await told_by_mail(town, 0))
        await advance_past(town, at)
        wanted = instants[at] & share.deliveries - {share.reserved}

        async def all_were_told() -> bool:
            return wanted <= {key[0] for key in set(await told_by_mail(town, 0)) - had}  # noqa: B023

        await until(all_were_told, seconds=60, every=0.2)


async def until_recorded(share: Share, already: int) -> None:
    """Wait until every mail is told of on the topic: what was not would leave again, and no recovery can know."""

    async def all_recorded() -> bool:
        sent = {fact.message_id for fact in share.town.reader.facts() if isinstance(fact, Notification)}
        return {mail.message_id for mail in await mails_in(share.town)} <= sent

    await until(all_recorded, seconds=30, every=0.2)


async def mails_in(town: Town) -> list[Mail]:
    answer = await town.client.get(f"{town.agencies.addresses.mailbox}/api/messages")
    return [mail_of(message) for message in answer.json()]


async def told_by_mail(town: Town, already: int) -> Counter[tuple[str, str, str]]:
    """Count (delivery, step, recipient) over the mails after the first ones."""
    return Counter(
        (delivery, step, recipient)
        for mail in (await mails_in(town))[already:]
        for delivery, step in mail.steps
        for recipient in mail.to
    )


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def a_token(town: Town, subject: str) -> str:
    """Issue a token; the command prints it once."""
    await town.stack.run("catalogue", "token", "issue", "--scope", "statistician", "--subject", subject)
    token = (town.stack.data / "logs" / "catalogue-token.log").read_text().split()[-1]

    async def known() -> bool:
        return await status_of(town, token) == 200

    await until(known, seconds=15)
    return token


async def status_of(town: Town, token: str) -> int:
    return (await town.client.get(f"{town.stack.addresses.ingest}/v1/deliveries", headers=bearer(token))).status_code


async def release_at(town: Town, service: str = "catalogue") -> int:
    answer = await town.client.get(f"{town.agencies.addresses.services[service]}/health/live")
    return int(answer.json()["catalogue_release"])


async def grant(town: Town, delivery: str, *, days: int) -> None:
    token = town.agencies.addresses.role_tokens["statistician"]
    due_at = DEFAULT_START + timedelta(days=days)
    answer = await town.client.post(
        f"{town.stack.addresses.catalogue}/v1/deliveries/{delivery}/extensions",
        json={"due_at": due_at.isoformat(), "reason": "bão", "document_number": "1/CV"},
        headers=bearer(token),
    )
    assert answer.status_code in {200, 201}, answer.text


async def due_at(town: Town, service: str, delivery: str) -> str | None:
    headers = bearer(town.agencies.addresses.role_tokens["statistician"])
    url = town.agencies.addresses.services[service]
    if service == "catalogue":
        return str((await town.client.get(f"{url}/v1/deliveries/{delivery}", headers=headers)).json()["due_at"])
    found = (await town.client.get(f"{url}/v1/deliveries", headers=headers)).json()
    return next((str(each["due_at"]) for each in found if each["delivery_id"] == delivery), None)


def a_changed_sample(folder: Path, note: str) -> Path:
    """Return the sample with one unit renamed: the smallest release."""
    folder.mkdir()
    for path in DEFAULT_SAMPLE.iterdir():
        if path.suffix in {".csv", ".json"}:
            (folder / path.name).write_bytes(path.read_bytes())
    units = folder / "units.csv"
    head, first, rest = units.read_text(encoding="utf-8").split("\n", 2)
    name = first.split(",")[1]
    units.write_text("\n".join([head, first.replace(name, f"{name} {note}", 1), rest]), encoding="utf-8")
    return folder
