"""The fixtures give real parts."""

from email.message import EmailMessage

import aiosmtplib
import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.parts import Broker, Databases, MailServer


async def test_the_broker_takes_and_gives_messages_in_a_group(kafka: Broker) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic("parts.roundtrip", 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        await producer.send_and_wait("parts.roundtrip", b"hello")
    consumer = AIOKafkaConsumer(
        "parts.roundtrip",
        bootstrap_servers=kafka.bootstrap_servers,
        group_id="parts.roundtrip",
        auto_offset_reset="earliest",
    )
    async with consumer:
        assert (await consumer.getone()).value == b"hello"


async def test_each_test_has_an_empty_database(database_url: str) -> None:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        assert await connection.fetchval("select count(*) from pg_tables where schemaname = 'public'") == 0
        await connection.execute("create table mine (x int)")
    finally:
        await connection.close()


@pytest.mark.parametrize("round_number", [1, 2])
async def test_a_prepared_database_is_filled_once_and_copied(databases: Databases, round_number: int) -> None:
    async def prepare(url: str) -> None:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        await connection.execute("create table prepared (x int); insert into prepared values (1)")
        await connection.close()

    url = await databases.prepared("filled", prepare)
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    assert await connection.fetchval("select count(*) from prepared") == 1
    await connection.execute("insert into prepared values (2)")
    await connection.close()


async def test_a_mail_is_kept_and_shown(smtp: MailServer) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@example.org", "b@example.org", "Nhắc báo cáo tháng 6"
    mail["Message-ID"], mail["X-Lienthong-Deliveries"] = "<1@example.org>", "SKHDT/F/2024-06/estimate;step=passed"
    mail.set_content("Kính gửi đơn vị")
    mail.add_alternative("<p>Kính gửi <b>đơn vị</b></p>", subtype="html")
    await aiosmtplib.send(mail, hostname=smtp.host, port=smtp.port, recipients=["b@example.org"])

    (kept,) = await smtp.wait_for(1)
    assert kept.message_id == "<1@example.org>"
    assert kept.headers["X-Lienthong-Deliveries"] == "SKHDT/F/2024-06/estimate;step=passed"
    async with httpx.AsyncClient(base_url=smtp.mailbox_url) as client:
        listed = (await client.get("/api/messages")).json()
        assert listed[-1]["subject"] == "Nhắc báo cáo tháng 6"
        assert listed[-1]["to"] == ["b@example.org"]
        one = (await client.get(f"/api/messages/{kept.id}")).json()
        assert one["text"].strip() == "Kính gửi đơn vị"
        assert "<b>đơn vị</b>" in one["html"]
        assert b"Message-ID: <1@example.org>" in (await client.get(f"/api/messages/{kept.id}/raw")).content
        assert "Nhắc báo cáo tháng 6" in (await client.get("/")).text
        assert "Kính gửi" in (await client.get(f"/messages/{kept.id}")).text
        assert (await client.get("/api/messages/none")).status_code == 404
