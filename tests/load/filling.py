"""What 10,000 units leave in the tables in a year's calendar and a month's reports, made in seconds."""

import asyncpg

UNIT_COUNT = 10_000
TABLES = (
    "ingest.outbox",
    "ingest.inbox",
    "ingest.arrivals",
    "ingest.packages",
    "ingest.submissions",
    "ingest.deliveries",
    "catalogue.deliveries",
    "catalogue.versions",
    "notify.deliveries",
    "notify.steps",
    "notify.mails",
    "notify.notices",
    "validate.submissions",
    "validate.judgements",
    "validate.figures",
)
"""What is filled, and must not be read from end to end."""

# Reports of June are coming in: the months before are met, those after it are planned.
_FILL = """
insert into ingest.outbox (slot, topic, partition, key, value, headers, event_id, sent_at, cluster_id, sent_offset)
select n % 12, 'submissions', n % 12, 'U' || n % {units}, decode(repeat('ab', 100), 'hex'),
  '{{"ce_type": "vn.lienthong.submission.received.v1"}}', md5(n::text),
  case when n <= 59800 then now() end, case when n <= 59800 then 'cluster' end, case when n <= 59800 then n / 12 end
from generate_series(1, 60000) n;

insert into ingest.inbox (source, id, outcome)
select 'urn:lienthong:catalogue', md5(n::text), 'handled' from generate_series(1, 60000) n;

insert into ingest.packages (id, unit, form, channel, state, received_at, release, original, content_type, answers,
  findings)
select md5(n::text)::uuid, 'U' || n % {units}, 'F1', 'kafka', 'received',
  timestamptz '2024-06-01' + n * interval '30 s',
  1, md5(n::text), 'application/json', '{{}}', '[]' from generate_series(1, 30000) n;

insert into ingest.arrivals (unit, source, event_id, sha256, package_id)
select unit, 'urn:agency', original, original, id from ingest.packages;

insert into ingest.submissions (delivery_id, version, package_id, position, received_at)
select unit || '/F1/2024-0' || 4 + row_number() over (partition by unit order by received_at) || '/final', 1, id, 0,
  received_at from ingest.packages;

insert into catalogue.deliveries (unit, form, period, status, slot, last_month, state, due_rule, shift,
  open_days_before, opens_at, due_at, release, opened_at, met_version, met_received_at)
select 'U' || u, 'F1', to_char(due, 'YYYY-MM'), 'final', u % 12, to_char(due, 'YYYY-MM'),
  case when m < 6 then 'met_in_time' when m > 6 then 'planned' when u % 3 = 0 then 'open' else 'received' end,
  'P+0:D18', 'none', 30, due - interval '30 d', due, 1, case when m <= 6 then due - interval '30 d' end,
  case when m < 6 then 1 end, case when m < 6 then due - interval '1 d' end
from generate_series(0, {units} - 1) u, generate_series(1, 12) m,
  lateral (select timestamptz '2024-01-18' + (m - 1) * interval '1 month' + u * interval '1 s' as due) d;

insert into catalogue.versions (unit, form, period, status, version, received_at, received, judgement, acceptable)
select unit, form, period, status, 1, due_at - interval '1 d', true, case when state = 'received' then 0 else 1 end,
  true
from catalogue.deliveries where opened_at is not null and state <> 'open';

insert into ingest.deliveries (id, unit, form, opened_at, due_at, deadline_version, version)
select unit || '/F1/' || period || '/final', unit, form, opened_at, due_at, 1, 1
from catalogue.deliveries where opened_at is not null;

insert into notify.deliveries (delivery_id, unit, slot, deadline_version, due_at, received_version, received_at, met,
  passed_version, next_reminder_at, planned_with, planned_release)
select unit || '/F1/' || period || '/final', unit, slot, 1, due_at, 1, due_at - interval '1 d', state = 'met_in_time',
  0,
  case when state = 'open' then due_at - interval '3 d' end, 'policy', 1
from catalogue.deliveries where opened_at is not null;

insert into notify.steps (delivery_id, name, unit, kind, occasion, at, deadline_version, state, ready_at)
select delivery_id, 'reminder-3d', unit, 'reminder', delivery_id, due_at, 1,
  case when slot = 0 and due_at > '2024-06-01' then 'waiting' else 'told' end, now() from notify.deliveries;

insert into notify.mails (message_id, unit, contact_id, kind, occasion, state, attempts, queued_at, next_attempt_at)
select md5(delivery_id), unit, 'C' || unit, 'reminder', 'x', case when state = 'waiting' then 'queued' else 'sent' end,
  1, at, at from notify.steps;

insert into notify.notices (delivery_id, step, contact_id, mail_id, state)
select s.delivery_id, s.name, m.contact_id, m.id, m.state
from notify.steps s join notify.mails m on m.message_id = md5(s.delivery_id);

insert into validate.submissions (unit, form, period, status, version, package_id, body)
select unit, form, period, status, 1, md5(unit || period)::uuid, '{{}}' from catalogue.versions;

insert into validate.judgements (unit, form, period, status, version, judgement, package_id, verdict, result, warned,
  explained, judged_at)
select unit, form, period, status, 1, 1, package_id, 'accepted', '{{}}', '{{}}', '{{}}', now()
from validate.submissions;

insert into validate.figures (unit, form, period, status, version, judgement, numbers, accepted, accepted_at)
select unit, form, period, status, 1, 1, '{{"A": "1"}}', '{{}}', now() from validate.submissions;
"""


async def fill(url: str) -> None:
    """Fill a migrated database and tell the planner of it."""
    connection = await asyncpg.connect(url.replace("+asyncpg", "", 1))
    try:
        await connection.execute("set synchronous_commit = off")
        await connection.execute(_FILL.format(units=UNIT_COUNT))
        await connection.execute("analyze")
    finally:
        await connection.close()
