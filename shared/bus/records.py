"""The Kafka record as it comes: key, value and headers as bytes; `value` None is a tombstone."""

from aiokafka import ConsumerRecord

Record = ConsumerRecord[bytes, bytes]
Records = tuple[Record, ...]
