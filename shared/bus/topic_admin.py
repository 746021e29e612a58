"""Makes a producer's topics as the table says, and waits for the topics of others."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from shared.bus.clients import ClientOptions, admin_client
from shared.bus.errors import TopicMismatchError
from shared.bus.topics import Topic

POLL_SECONDS = 0.5
BROKERS_FOR_THREE_REPLICAS = 3
CHECKED_SETTINGS = ("cleanup.policy", "message.timestamp.type", "compression.type")
"""What a topic may not have otherwise: history, whose time it is, what our client can read. Sizes may be tuned."""

log = structlog.get_logger(__name__)


async def ensure_topics(
    bootstrap_servers: str, topics: Collection[Topic], client_options: ClientOptions | None = None
) -> None:
    """Make the topics that are missing, then check all against the table; to be repeated at will.

    With three brokers or more, three replicas of which two must have written; else one. Raises TopicMismatchError when
    topics are not as the table says, or the broker refuses them for good: one of the wrong shape loses order or
    history, so nobody may write to it. All others are made and right by then. Raises KafkaError for what may pass.
    """
    if not topics:
        return
    async with admin_client(bootstrap_servers, client_options) as admin:
        existing = {each["topic"] for each in await admin.describe_topics() if each["error_code"] == 0}
        missing = [topic for topic in topics if topic.name not in existing]
        refused = await _create(admin, missing) if missing else {}
        faults = await _faults(admin, [topic for topic in topics if topic.name not in refused])
    for error in refused.values():
        if error.retriable:
            raise error
    faults |= {name: str(error) for name, error in refused.items()}
    if faults:
        raise TopicMismatchError(faults)


async def wait_for_topics(
    bootstrap_servers: str, names: Collection[str], client_options: ClientOptions | None = None
) -> None:
    """Wait until all these topics exist: their producers make them, in their own time."""
    said: set[str] = set()
    while True:
        async with admin_client(bootstrap_servers, client_options) as admin:
            existing = {each["topic"] for each in await admin.describe_topics() if each["error_code"] == 0}
        missing = set(names) - existing
        if not missing:
            return
        if missing != said:
            log.info("waiting_for_topics", missing=sorted(missing))
            said = missing
        await asyncio.sleep(POLL_SECONDS)


async def _create(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> dict[str, KafkaError]:
    """Make topics; return those that the broker refuses."""
    broker_count = len((await admin.describe_cluster())["brokers"])
    replicas = BROKERS_FOR_THREE_REPLICAS if broker_count >= BROKERS_FOR_THREE_REPLICAS else 1
    wanted = [
        NewTopic(
            topic.name,
            num_partitions=topic.partitions,
            replication_factor=replicas,
            topic_configs={**topic.configs(), "min.insync.replicas": str(max(1, replicas - 1))},
        )
        for topic in topics
    ]
    response: Any = await admin.create_topics(wanted)
    refused: dict[str, KafkaError] = {}
    for name, code, *message in response.topic_errors:
        error = for_code(code)
        if code != 0 and error is not TopicAlreadyExistsError:  # a replica of ours was quicker
            refused[name] = error(f"cannot make topic {name!r}: {message[0] if message else ''}")
    await _settled(admin, {topic.name for topic in topics} - refused.keys())
    return refused


async def _settled(admin: AIOKafkaAdminClient, names: set[str]) -> None:
    """Wait until the broker describes the new topics with all their partitions."""
    while names:
        found = await admin.describe_topics(sorted(names))
        if all(
            each["error_code"] == 0 and all(part["error_code"] == 0 for part in each["partitions"]) for each in found
        ):
            return
        await asyncio.sleep(0.05)


async def _faults(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> dict[str, str]:
    """Return what is wrong with topics that exist, by name; a setting counts where the table sets it."""
    if not topics:
        return {}
    names = [topic.name for topic in topics]
    described = {each["topic"]: each for each in await admin.describe_topics(names)}
    configs = await _configs(admin, names)
    faults = {}
    for topic in topics:
        found = described[topic.name]
        if found["error_code"] != 0:
            raise UnknownTopicOrPartitionError(topic.name)
        if len(found["partitions"]) != topic.partitions:
            faults[topic.name] = (
                f"topic {topic.name!r} has {len(found['partitions'])} partitions, expected {topic.partitions}: "
                "delete it or move its messages to a new one; order per unit depends on the number"
            )
            continue
        wrong = {
            setting: value
            for setting, value in topic.configs().items()
            if setting in CHECKED_SETTINGS and configs[topic.name][setting] != value
        }
        if wrong:
            had = ", ".join(f"{setting}={configs[topic.name][setting]}" for setting in wrong)
            expected = ", ".join(f"{setting}={value}" for setting, value in wrong.items())
            faults[topic.name] = f"topic {topic.name!r} has {had}, expected {expected}: set it with kafka-configs"
    return faults


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the checked settings of each topic."""
    wanted = dict.fromkeys(CHECKED_SETTINGS, "")
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, wanted) for name in names]
    configs: dict[str, dict[str, str]] = {}
    responses: list[Any] = await admin.describe_configs(resources)
    for response in responses:
        for code, message, _, name, entries in response.resources:
            if code != 0:
                raise for_code(code)(f"cannot read the configuration of topic {name!r}: {message}")
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return configs
