"""The mail server: a mail is on disk before its sender reads 250."""

import asyncio
import errno
import os
import signal
import smtplib
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.embedded.mailbox import Mailbox, parse
from deploy.embedded.smtp import Keeper
from deploy.embedded.smtp_part import EmbeddedSmtp


def a_mail(subject: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@example.org", "b@example.org", subject
    mail.set_content("text")
    return mail


def an_envelope(content: bytes) -> Envelope:
    envelope = Envelope()
    envelope.mail_from, envelope.rcpt_tos, envelope.original_content = "a@example.org", ["b@example.org"], content
    return envelope


def a_session() -> tuple[SMTP, Session]:
    return SMTP(None), Session(asyncio.get_running_loop())


async def test_a_mail_that_was_taken_survives_a_kill_at_the_next_moment(own_folder: Path) -> None:
    server = EmbeddedSmtp(own_folder / "smtp")
    await server.start()
    try:
        for number in range(5):

            def send_then_kill(subject: str) -> None:
                with smtplib.SMTP(server.host, server.port) as client:
                    client.send_message(a_mail(subject))
                    assert server.pid is not None
                    os.kill(server.pid, signal.SIGKILL)
                    client.close()

            await asyncio.to_thread(send_then_kill, str(number))
            await server.ended()
            await server.start()
        assert [mail.subject for mail in server.mailbox.mails()] == ["0", "1", "2", "3", "4"]
        async with httpx.AsyncClient() as client:
            assert len((await client.get(f"{server.mailbox_url}/api/messages")).json()) == 5
    finally:
        await server.stop()


async def test_the_file_is_there_when_the_answer_is_given(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path)
    answer = await Keeper(mailbox).handle_DATA(*a_session(), an_envelope(bytes(a_mail("x"))))
    assert answer.startswith("250 ")
    assert [mail.subject for mail in mailbox.mails()] == ["x"]


async def test_a_full_disk_is_answered_with_451_and_not_with_250(tmp_path: Path) -> None:
    class Full(Mailbox):
        def add(self, content: bytes, sender: str, recipients: object) -> str:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    answer = await Keeper(Full(tmp_path)).handle_DATA(*a_session(), an_envelope(b"x"))
    assert answer.startswith("451 ")


def test_flushing_comes_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash between the two leaves no half mail under a name that readers take for a whole one."""
    seen: list[int] = []
    flush = os.fsync

    def watched(handle: int) -> None:
        seen.append(len(Mailbox(tmp_path).ids()))
        flush(handle)

    monkeypatch.setattr(os, "fsync", watched)
    Mailbox(tmp_path).add(b"Subject: x\r\n\r\n", "a@example.org", ["b@example.org"])
    assert seen == [0, 1]  # file, then folder


def test_mails_are_listed_in_the_order_of_arrival(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path)
    for number in range(20):
        mailbox.add(bytes(a_mail(str(number))), "a@example.org", ["b@example.org"])
    assert [mail.subject for mail in mailbox.mails()] == [str(number) for number in range(20)]


@pytest.mark.parametrize("name", ["../secret", "..", ".hidden", "", "a/b"])
def test_a_name_that_leads_out_of_the_folder_is_not_a_mail(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.eml").write_bytes(b"Subject: secret\r\n\r\n")
    (tmp_path / "box").mkdir()
    with pytest.raises(KeyError):
        Mailbox(tmp_path / "box").raw(name)


def test_a_header_that_is_folded_or_comes_twice_is_read_whole() -> None:
    ids = ", ".join(f"SKHDT/{number:03}.T%2FBCS-SKHDT/2024-06/estimate;step=passed" for number in range(12))
    mail = a_mail("x")
    mail["X-Lienthong-Deliveries"] = ids
    mail["X-Note"] = "1"
    mail["X-Note"] = "2"
    read = parse("id", bytes(mail))
    assert read.headers["X-Lienthong-Deliveries"] == ids
    assert read.headers["X-Note"] == "1\n2"


def test_a_damaged_mail_is_still_listed() -> None:
    read = parse(
        "id", b"Subject: =?utf-8?q?broken\r\nContent-Type: text/plain; charset=none\r\nDate: never\r\n\r\n\xff"
    )
    assert read.text is not None
    assert read.date is None
