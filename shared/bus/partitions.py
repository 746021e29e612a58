"""Where a unit's events go: the Kafka default partitioner on the unit's code."""

from aiokafka.partitioner import murmur2

PARTITION_COUNT = 12
UNITLESS = ""
"""The 'unit' of events that belong to none, such as the catalogue's: slot 0, a lock of its own."""


def partition_of_key(key: bytes, partition_count: int) -> int:
    """Return the partition (from 0) that any Kafka client with the default partitioner chooses for a key."""
    hashed: int = murmur2(key)
    return (hashed & 0x7FFFFFFF) % partition_count


def slot_of(unit: str) -> int:
    """Return the outbox slot (0 to 11) of a unit: its partition on topics of 12; no unit is slot 0."""
    return partition_of_key(unit.encode(), PARTITION_COUNT) if unit != UNITLESS else 0
