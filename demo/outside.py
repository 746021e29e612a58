"""Gathers what can be seen outside into facts."""

from collections.abc import Iterable
from concurrent.futures import Executor
from datetime import datetime
from typing import TypeVar

from demo.doors import HttpDoor
from demo.facts import Answer, DeadLetter, DeadlineFact, Facts, Judgement, Mail, Notification, PackageStatus, Received
from demo.mailbox import MailboxReader
from demo.records import Fact
from demo.stack import SERVICES, Addresses, business_time
from demo.topics import TopicReader

FactT = TypeVar("FactT")


class Outside:
    """Topics, mailbox and status addresses. The topics are read all the time, the others when asked to look."""

    def __init__(self, addresses: Addresses, topics: TopicReader, mailbox: MailboxReader, door: HttpDoor) -> None:
        self._addresses = addresses
        self._topics = topics
        self._mailbox = mailbox
        self._door = door
        self._mails: list[Mail] = []
        self._statuses: dict[str, PackageStatus] = {}

    def check(self) -> None:
        """Raise what ended the reading of the topics, if anything did."""
        if self._topics.failure is not None:
            raise self._topics.failure

    def look_into_mailbox(self) -> None:
        """Read the mailbox anew."""
        self._mails = self._mailbox.mails()

    def ask_for_status(self, packages: Iterable[tuple[str, str]], pool: Executor) -> None:
        """Ask what became of packages, given as (package id, unit)."""
        asked = list(packages)
        answers = pool.map(lambda package: self._door.status(*package), asked)
        for (package_id, _), answer in zip(asked, answers, strict=True):
            self._statuses[package_id] = PackageStatus(package_id, answer.get("verdict"))

    def watermark(self) -> datetime | None:
        """Return up to when the doors say that all is published."""
        return self._topics.watermark()

    def business_times(self) -> list[datetime]:
        """Return what time it is for each service."""
        return [business_time(self._addresses.services[service], self._door.client) for service in SERVICES]

    def facts(self) -> Facts:
        """Return what has been seen."""
        facts = self._topics.facts()
        return Facts(
            received=_only(Received, facts),
            judgements=_only(Judgement, facts),
            deadlines=_only(DeadlineFact, facts),
            answers=_only(Answer, facts),
            dead_letters=_only(DeadLetter, facts),
            notifications=_only(Notification, facts),
            mails=tuple(self._mails),
            statuses=tuple(self._statuses.values()),
            figures=self._topics.figures(),
        )


def _only(kind: type[FactT], facts: Iterable[Fact]) -> tuple[FactT, ...]:
    return tuple(fact for fact in facts if isinstance(fact, kind))
