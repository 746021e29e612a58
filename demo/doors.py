"""The three doors, as strangers use them: a Kafka producer, JSON over HTTP, a filled form over HTTP."""

import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from itertools import cycle
from typing import Any
from urllib.parse import quote

import httpx
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from demo.delivery import Delivery
from demo.dispatch import Dispatch, ExplanationBody, Garbage, GarbageBody, PackageBody
from demo.ledger import Door, Sent
from demo.stack import Addresses
from demo.topics import CRITICAL_LOGS
from demo.wire import Headers, cloud_event, encoded, explanation_json, package_json, spoiled_body, spoiled_event
from demo.workbook import fill

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
JSON = "application/json"
SEND_SECONDS_MAX = 20.0
POLL_SECONDS = 0.1
RETRY_SECONDS_MIN = 0.2
RETRY_SECONDS_MAX = 2.0
UNAVAILABLE_STATUS = 503


# The broker has lost its disk: there is no such topic yet, or it does not know the producer. What was to be sent has
# not been written there.
NOT_WRITTEN = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
        KafkaError.UNKNOWN_PRODUCER_ID,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - the client's own names
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
        KafkaError._FATAL,  # noqa: SLF001
        KafkaError._PURGE_QUEUE,  # noqa: SLF001
        KafkaError._PURGE_INFLIGHT,  # noqa: SLF001
    }
)


def source_of(unit: str) -> str:
    """Return the CloudEvents source of a unit's system."""
    return f"urn:khanhhoa:{unit.lower()}"


class KafkaDoor:
    """Publishes on `agency.<unit>.submissions`; tries for so many seconds while the broker is away."""

    def __init__(self, addresses: Addresses, seconds_max: float = SEND_SECONDS_MAX) -> None:
        self._seconds_max = seconds_max
        self._settings: dict[str, str | int | bool] = {
            "bootstrap.servers": addresses.bootstrap_servers,
            "acks": "all",
            "linger.ms": 5,
            "enable.idempotence": True,  # a retry of the client's own must not become a second message
            "message.timeout.ms": int(seconds_max * 1000),
            "log_level": CRITICAL_LOGS,
        }
        self._producer = Producer(self._settings)
        self._former: list[Producer] = []

    def renew(self) -> None:
        """Begin with a new producer: a broker without its disk would take the old one's numbers for another's.

        What the old one has in hand was for the disk that is gone; whoever waits for it sends it again.
        """
        former, self._producer = self._producer, Producer(self._settings)
        former.purge()
        self._former.append(former)  # its end would hold up everybody until its connections have timed out

    def send(self, dispatch: Dispatch) -> Sent:
        """Publish, and wait until the broker has it. Raises KafkaException when it does not take it."""
        source = source_of(dispatch.unit)
        body = dispatch.body
        if isinstance(body, GarbageBody):
            headers, value = spoiled_event(body, source, dispatch.key)
        else:
            headers, value = cloud_event(body, source, dispatch.key)
        topic = f"agency.{dispatch.unit}.submissions"
        until = time.monotonic() + self._seconds_max
        while True:
            try:
                offset = self._publish(topic, headers, value)
            except KafkaException as error:
                if error.args[0].code() not in NOT_WRITTEN or time.monotonic() > until:
                    raise
                time.sleep(RETRY_SECONDS_MIN)
            else:
                return Sent(machine_at=datetime.now(UTC), item=dispatch.item, offset=offset)

    def _publish(self, topic: str, headers: Headers, value: bytes) -> int:
        producer = self._producer
        delivered: Future[int] = Future()

        def report(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                delivered.set_exception(KafkaException(error))
            else:
                delivered.set_result(int(message.offset() or 0))

        producer.produce(topic, value=value, headers=list(headers), on_delivery=report)
        while not delivered.done():
            producer.poll(POLL_SECONDS)
        return delivered.result()


class HttpDoor:
    """Posts packages, forms and explanations, and asks what became of them.

    `replicas` are further addresses of ingest, tried in turn. It tries for so many seconds while nobody answers, or the
    answer is one of the statuses in `passing`; `unwilling` counts these.
    """

    def __init__(
        self,
        addresses: Addresses,
        client: httpx.Client,
        *,
        replicas: Sequence[str] = (),
        seconds_max: float = SEND_SECONDS_MAX,
        passing: Container[int] = (UNAVAILABLE_STATUS,),
    ) -> None:
        self._addresses = addresses
        self._ingest = cycle((addresses.services["ingest"], *replicas))
        self._seconds_max = seconds_max
        self._passing = passing
        self.unwilling: Counter[int] = Counter()
        self._filled: dict[str, bytes] = {}  # a form that is sent again is the same file
        self.client = client

    def send(self, dispatch: Dispatch) -> Sent:
        """Post, and return what came back. While nobody answers, send again: the key makes that harmless.

        Raises httpx.HTTPError when that takes too long.
        """
        token: str | None = self._addresses.unit_tokens[dispatch.unit]
        path, content_type = "packages", JSON
        match dispatch.body:
            case ExplanationBody() as body:
                path, content = "explanations", encoded(explanation_json(body))
            case PackageBody() as body if dispatch.door is Door.EXCEL:
                content_type, content = XLSX, self._file_of(dispatch, body)
            case PackageBody() as body:
                content = encoded(package_json(body, numbers=True))
            case GarbageBody(Garbage.TORN_WORKBOOK, body):
                whole = self._filled_form(dispatch.unit, body)
                content_type, content = XLSX, whole[: len(whole) // 2]
            case GarbageBody() as garbage:
                content = spoiled_body(garbage)
                if garbage.kind is Garbage.NO_TOKEN:
                    token = None
                elif garbage.kind is Garbage.UNKNOWN_TOKEN:
                    token = f"{token}x"
        headers = {"Content-Type": content_type, "Idempotency-Key": dispatch.key, **_authorization(token)}
        response = self._until_answered(
            lambda: self.client.post(f"{next(self._ingest)}/v1/{path}", content=content, headers=headers)
        )
        body_of = _json(response)
        location = response.headers.get("location", "")
        return Sent(
            machine_at=datetime.now(UTC),
            item=dispatch.item,
            status=response.status_code,
            package_id=body_of.get("package_id") or (location.rsplit("/", 1)[-1] or None),
            finding_count=len(body_of.get("findings", ())),
            problem=_problem(body_of),
        )

    def status(self, package_id: str, unit: str) -> Mapping[str, Any]:
        """Return what `GET /v1/packages/{id}` says."""
        response = self.client.get(
            f"{next(self._ingest)}/v1/packages/{package_id}",
            headers=_authorization(self._addresses.unit_tokens[unit]),
        )
        response.raise_for_status()
        return _json(response)

    def _file_of(self, dispatch: Dispatch, package: PackageBody) -> bytes:
        if dispatch.item not in self._filled:
            self._filled[dispatch.item] = self._filled_form(dispatch.unit, package)
        return self._filled[dispatch.item]

    def _filled_form(self, unit: str, package: PackageBody) -> bytes:
        deliveries = [report.delivery for report in package.reports]
        workbook = self._rendered_form(unit, package.form, deliveries)
        return fill(workbook, {report.delivery: report.figures for report in package.reports})

    def _rendered_form(self, unit: str, form: str, deliveries: Iterable[Delivery]) -> bytes:
        response = self._until_answered(
            lambda: self.client.get(
                f"{self._addresses.services['catalogue']}/v1/forms/{quote(form, safe='')}/workbook",
                params=[("delivery", str(delivery)) for delivery in deliveries],
                headers=_authorization(self._addresses.unit_tokens[unit]),
            )
        )
        response.raise_for_status()
        return bytes(response.content)

    def _until_answered(self, ask: Callable[[], httpx.Response]) -> httpx.Response:
        """Ask again, as a unit's system would, while a service restarts or says that it cannot at the moment."""
        begun, pause = time.monotonic(), RETRY_SECONDS_MIN
        while True:
            try:
                response = ask()
                if response.status_code not in self._passing or time.monotonic() - begun > self._seconds_max:
                    return response
                self.unwilling[response.status_code] += 1
            except httpx.TransportError:
                if time.monotonic() - begun > self._seconds_max:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, RETRY_SECONDS_MAX)


def _problem(body: Mapping[str, Any]) -> str | None:
    """Return the first finding of a rejection, or the title of another problem."""
    findings = body.get("findings") or ()
    return findings[0]["message"]["en"] if findings else body.get("title_en") or body.get("title")


def _authorization(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token is not None else {}


def _json(response: httpx.Response) -> dict[str, Any]:
    if "json" not in response.headers.get("content-type", ""):
        return {}
    body = response.json()
    return body if isinstance(body, dict) else {}
