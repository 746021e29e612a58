"""Every metric of the bus kit: name, meaning, labels. Labels are closed lists: services, groups, reasons, types."""

from prometheus_client import Counter, Gauge, Histogram

CONSUMED = Counter("lienthong_bus_consumed", "Messages read from Kafka", ["service", "group"])
HANDLED = Counter("lienthong_bus_handled", "Events handled, committed", ["service", "group", "type"])
DUPLICATES = Counter("lienthong_bus_duplicates", "Events dropped because the inbox had them", ["service", "group"])
SKIPPED = Counter("lienthong_bus_skipped", "Events of types without a handler", ["service", "group"])
DEAD_LETTERS = Counter("lienthong_bus_dead_letters", "Messages put aside, by reason", ["service", "group", "reason"])
REPLAYED = Counter(
    "lienthong_bus_replayed", "Dead letters replayed, by what became of them", ["service", "group", "outcome"]
)
RETRIES = Counter("lienthong_bus_retries", "Attempts that failed because the world was broken", ["service", "group"])
REDONE = Counter(
    "lienthong_bus_batches_redone", "Batches that failed whole and were redone in parts", ["service", "group"]
)
BATCH_SECONDS = Histogram(
    "lienthong_bus_batch_seconds",
    "From receipt of a batch to its commit, in seconds",
    ["service", "group"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
LAG = Gauge("lienthong_bus_lag_messages", "Messages not yet committed, over assigned partitions", ["service", "group"])
BATCH_AGE = Gauge(
    "lienthong_bus_batch_age_seconds", "Seconds since the last finished batch while there is lag", ["service", "group"]
)
GUARD = Gauge("lienthong_bus_guard_tripped", "1 while our own faults have stopped the consumer", ["service", "group"])
REBALANCES = Counter("lienthong_bus_rebalances", "Assignments of partitions received", ["service", "group"])
PARTITIONS = Gauge("lienthong_bus_partitions", "Partitions assigned at the moment", ["service", "group"])
COMMITS_FAILED = Counter("lienthong_bus_commits_failed", "Offset commits that failed (harmless)", ["service", "group"])

OUTBOX_UNSENT = Gauge("lienthong_bus_outbox_unsent", "Outbox rows not yet published", ["service"])
OUTBOX_AGE = Gauge("lienthong_bus_outbox_age_seconds", "Age of the oldest unpublished outbox row", ["service"])
OUTBOX_PARKED = Gauge("lienthong_bus_outbox_parked", "Outbox rows that Kafka refuses for good", ["service"])
RELAY_SENT = Counter("lienthong_bus_relay_sent", "Outbox rows published", ["service"])
RELAY_PARKED = Counter("lienthong_bus_relay_parked", "Outbox rows parked by this process", ["service"])
RELAY_RETRIES = Counter("lienthong_bus_relay_retries", "Batches that have to be sent again", ["service"])
RELAY_BLOCKED = Gauge(
    "lienthong_bus_relay_blocked", "Topic partitions whose rows Kafka does not take; tried again for ever", ["service"]
)
RELAY_FORGOTTEN = Counter(
    "lienthong_bus_relay_forgotten", "Outbox rows that the broker has forgotten, to be published again", ["service"]
)
RELAY_SLOTS = Gauge("lienthong_bus_relay_slots", "Outbox slots that this process relays", ["service"])

CLEARED = Counter("lienthong_bus_cleared", "Old rows deleted", ["service", "table"])

TABLE_READY = Gauge("lienthong_bus_table_ready", "1 when a compacted topic was read to its end", ["service", "topic"])
TABLE_FAILED = Counter("lienthong_bus_table_failed", "Records a table could not apply", ["service", "topic"])
WATERMARK = Gauge("lienthong_bus_watermark_timestamp", "Watermark of a partition, Unix time", ["service", "partition"])
WATERMARKS_IGNORED = Counter(
    "lienthong_bus_watermarks_ignored", "Watermarks that came before the event they follow", ["service"]
)
CLUSTER_CHANGES = Counter("lienthong_bus_cluster_changes", "Times that another Kafka cluster answered", ["service"])
