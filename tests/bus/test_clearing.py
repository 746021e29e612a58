"""Retention: what nobody can ask for any more goes, in small batches, and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, text

from shared.bus import clearing
from shared.bus.clearing import INBOX_MARGIN, Cleared
from shared.bus.topics import RETENTION_MS
from tests.bus.counter import BUS, Counter, make_counter

NOW = datetime(2026, 6, 1, tzinfo=UTC)
RETENTION = timedelta(milliseconds=RETENTION_MS)
OLD, YOUNG = NOW - RETENTION - timedelta(days=1), NOW - RETENTION + timedelta(days=1)


def row(event_id: str, topic: str, created_at: datetime, **more: object) -> dict[str, object]:
    sent = {"sent_at": created_at, "cluster_id": "c", "sent_offset": 1, "parked_reason": None}
    common = {"slot": 0, "topic": topic, "partition": 0, "key": "K", "headers": {}}
    return {**common, "event_id": event_id, "created_at": created_at, **sent, **more}


@pytest.fixture
def service(counter_database: str, prefix: str) -> Counter:
    return make_counter("nowhere:1", counter_database, prefix, consume=False)


async def test_sent_rows_go_with_their_topic_and_inbox_rows_a_month_later(
    service: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clearing, "ROWS_AT_ONCE", 3)
    counted, kept = service.topic("counted"), service.topic("kept")
    unsent = {"sent_at": None, "cluster_id": None, "sent_offset": None}
    rows = [
        *(row(f"old-{number}", counted, OLD) for number in range(5)),
        row("kept whole", kept, OLD),
        row("of an earlier version", "a-topic-of-once", OLD),
        row("unsent", counted, OLD, **unsent),
        row("parked", counted, OLD, **unsent, parked_reason="too large"),
        *(row(f"young-{number}", counted, YOUNG) for number in range(4)),
    ]
    at = {"long ago": OLD - INBOX_MARGIN, "lately": OLD - INBOX_MARGIN + timedelta(days=2)}
    async with service.engine.begin() as connection:
        await connection.execute(insert(BUS.outbox), rows)
        await connection.execute(
            insert(BUS.inbox),
            [
                {"source": "s", "id": f"{when} {number}", "outcome": "handled", "recorded_at": instant}
                for when, instant in at.items()
                for number in range(4)
            ],
        )
    real = service.units_of_work.parts.clearing
    assert await real.clear(service.units_of_work.sessions, NOW) == Cleared(outbox_count=6, inbox_count=4)
    assert await real.clear(service.units_of_work.sessions, NOW) == Cleared(outbox_count=0, inbox_count=0)
    left = [each["event_id"] for each in await service.rows(BUS.outbox)]
    assert left == ["kept whole", "unsent", "parked", *(f"young-{number}" for number in range(4))]
    assert {str(each["id"])[:6] for each in await service.rows(BUS.inbox)} == {"lately"}
    await service.engine.dispose()


FILL = (
    "INSERT INTO counter.inbox (source, id, outcome) SELECT 's', n::text, 'handled' FROM generate_series(1, 30000) n",
    """INSERT INTO counter.outbox (slot, topic, partition, key, headers, event_id)
       SELECT 0, 't', 0, 'K', '{}', n::text FROM generate_series(1, 30000) n""",
    "ANALYZE counter.inbox",
    "ANALYZE counter.outbox",
)
ASKED = (
    "SELECT source, id FROM counter.inbox WHERE recorded_at < now() - interval '1 year' ORDER BY recorded_at LIMIT 9",
    "SELECT id, topic, created_at, sent_at FROM counter.outbox WHERE id > 0 ORDER BY id LIMIT 1000",
    "DELETE FROM counter.outbox WHERE id = ANY(ARRAY(SELECT generate_series(1, 1000))) AND sent_at IS NOT NULL",
)
"""What clearing asks, in short."""


async def test_clearing_reads_no_table_whole(service: Counter) -> None:
    async with service.engine.begin() as connection:
        for statement in FILL:
            await connection.execute(text(statement))
        for statement in ASKED:
            plan = "\n".join((await connection.execute(text(f"EXPLAIN {statement}"))).scalars())
            assert "Seq Scan" not in plan
    await service.engine.dispose()
