"""Who was told what: each (delivery, step, contact) in exactly one mail, and nothing else in any."""

from collections.abc import Iterator

from demo.checks.imbalance import Books, Imbalance, compare

Telling = tuple[str, str, str]


def expected_tellings(books: Books) -> list[Telling]:
    """Return every (delivery, step, address) that must be told."""
    return [
        (step.delivery, step.step, contact.email)
        for step in books.expected.steps
        for contact in books.timetable.told(books.expected.stories[step.delivery].due, step.at)
    ]


def each_step_is_told_once(books: Books) -> Iterator[Imbalance]:
    """Look for each step and contact in exactly one `Message-ID`; the same mail arriving twice counts once."""
    seen = {
        (mail.message_id, delivery, step, address)
        for mail in books.facts.mails
        for delivery, step in mail.steps
        for address in mail.to
    }
    yield from compare(
        "mail", expected_tellings(books), ((delivery, step, address) for _, delivery, step, address in seen), _name
    )
    for mail in books.facts.mails:
        if not mail.steps:
            yield Imbalance("mail_without_reason", mail.message_id, f"to {', '.join(mail.to)}: {mail.subject}")
        if len(mail.to) != 1:
            yield Imbalance("mail_to_several", mail.message_id, f"to {', '.join(mail.to) or 'nobody'}")


def each_mail_is_on_record(books: Books) -> Iterator[Imbalance]:
    """Each mail has one `sent` notification that names the same steps and its contact; none failed."""
    contacts = {contact.id: contact.email for contact in books.timetable.contacts}
    notifications = books.facts.notifications
    sent = [fact for fact in notifications if fact.change == "sent"]
    mails = {mail.message_id: mail for mail in books.facts.mails}
    yield from compare("sent_notification", mails, (fact.message_id for fact in sent))
    for fact in sent:
        mail = mails.get(fact.message_id)
        if mail is not None and (sorted(mail.steps) != sorted(fact.steps) or contacts.get(fact.contact) not in mail.to):
            yield Imbalance("sent_notification_wrong", fact.message_id, f"to {fact.contact}, {list(fact.steps)}")
    for fact in notifications:
        if fact.change == "failed":
            yield Imbalance("mail_failed", fact.message_id, f"to {fact.contact}")


def _name(key: Telling) -> str:
    return f"{key[0]} {key[1]} to {key[2]}"
