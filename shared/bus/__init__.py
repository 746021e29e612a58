"""The bus kit: how services meet on Kafka, and lose nothing. See README.md beside this file."""

from shared.bus.cloudevents import UnknownType, deterministic_id
from shared.bus.consumer import Consumer
from shared.bus.errors import BadMessageError, Reason
from shared.bus.handlers import Handlers
from shared.bus.partitions import UNITLESS, slot_of
from shared.bus.parts import Parts
from shared.bus.records import Record
from shared.bus.service_bus import ServiceBus
from shared.bus.table import CompactedTable
from shared.bus.tables import BusTables, bus_tables
from shared.bus.topics import TOPICS, Topic, TopicTable, agency_topics, topic_for, topic_of, topics_of
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.bus.wakeup import RelayWakeup
from shared.bus.work import Work

__all__ = [
    "TOPICS",
    "UNITLESS",
    "BadMessageError",
    "BusTables",
    "CompactedTable",
    "Consumer",
    "Handlers",
    "Parts",
    "Reason",
    "Record",
    "RelayWakeup",
    "ServiceBus",
    "Topic",
    "TopicTable",
    "UnitOfWorkFactory",
    "UnknownType",
    "Work",
    "agency_topics",
    "bus_tables",
    "deterministic_id",
    "slot_of",
    "topic_for",
    "topic_of",
    "topics_of",
]
