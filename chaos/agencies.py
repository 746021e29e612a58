"""The agencies' systems: each sends until it is answered, under the same name, as the integrator guide asks."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from datetime import datetime
from threading import Event, Lock

from chaos.stillness import Stillness
from chaos.traffic import Errand
from demo.dispatch import Dispatch, ExplanationBody, GarbageBody
from demo.doors import HttpDoor, KafkaDoor
from demo.ledger import Door, SendingAgain, Sent
from demo.planter import announced
from demo.settler import Settler, now, tolerant
from demo.topics import TopicReader

ANSWER_SECONDS_MAX = 240.0
AGAIN_SECONDS = 15.0
"""After so long without a `received` answer an event is sent again. Agencies wait minutes; here all goes faster."""
POLL_SECONDS = 0.1


class UnansweredError(Exception):
    """Something was sent again and again, and never answered."""


class Agencies:
    """Sends sequences of errands through the doors, and writes the ledger."""

    def __init__(
        self,
        settler: Settler,
        doors: tuple[KafkaDoor, HttpDoor],
        reader: TopicReader,
        stillness: Stillness,
        business_now: Callable[[], datetime],
    ) -> None:
        self._settler = settler
        self._kafka, self._http = doors
        self._reader = reader
        self._stillness = stillness
        self._business_now = business_now
        self._packages: dict[str, str] = {}
        self._sent_at: Counter[tuple[str, int]] = Counter()
        self._lock = Lock()
        self._stopping = Event()
        self.sent_count = 0
        self.again_count = 0
        self.unanswered_count = 0

    def stop(self) -> None:
        """Let nobody send or wait any longer: the run is broken off."""
        self._stopping.set()

    def send_all(self, sequences: Sequence[Sequence[Errand]], pool: Executor) -> None:
        """Send sequences side by side. Raises UnansweredError, and what a door raises."""
        for sending in [pool.submit(self._send_carefully, sequence) for sequence in sequences]:
            sending.result()

    def _send_carefully(self, sequence: Sequence[Errand]) -> None:
        """Keep the broker's disk while something is sent that could not be sent again as it was, or in its order."""
        hasty = len(sequence) > 1 and not all(errand.patient for errand in sequence)
        if hasty or any(_is_unrepeatable(errand.dispatch) for errand in sequence):
            with self._stillness.shared():
                self._send_sequence(sequence)
        else:
            self._send_sequence(sequence)

    def _send_sequence(self, sequence: Sequence[Errand]) -> None:
        unanswered: list[Dispatch] = []
        before: Dispatch | None = None
        for errand in sequence:
            dispatch = errand.dispatch
            if before is not None and isinstance(dispatch.body, ExplanationBody):
                self._wait_for_verdict(before)
            if unanswered and dispatch.door is not Door.KAFKA:
                self._wait_for_answers(unanswered)  # another door does not wait for what is in the topic
            self._send(errand)
            if _is_answered(dispatch):
                unanswered.append(dispatch)
            if errand.patient:
                self._wait_for_answers(unanswered)
            before = dispatch
        self._wait_for_answers(unanswered)

    def _send(self, errand: Errand) -> None:
        dispatch = errand.dispatch
        if errand.again:
            self._send_again(dispatch)
            return
        self._settler.write(announced(dispatch, self._business_now()))
        before = self._reader.answers_to(dispatch.unit, dispatch.key)["rejected"]
        sent = self._through_door(dispatch)
        with self._lock:
            self.sent_count += 1
        if _is_unrepeatable(dispatch):
            self._wait_for_rejection(dispatch, before, sent)

    def _send_again(self, dispatch: Dispatch) -> None:
        self._settler.write(SendingAgain(machine_at=now(), item=dispatch.item))
        self._through_door(dispatch)
        with self._lock:
            self.again_count += 1

    def _through_door(self, dispatch: Dispatch) -> Sent:
        sent = (self._kafka if dispatch.door is Door.KAFKA else self._http).send(dispatch)
        self._settler.write(sent)
        if sent.package_id is not None:
            with self._lock:
                self._packages[dispatch.item] = sent.package_id
        return sent

    def _wait_for_rejection(self, dispatch: Dispatch, before: int, sent: Sent) -> None:
        """Wait for the answer to what has no name of its own: by the name that it misuses, or by its offset.

        At an offset the broker may have had something before it lost its disk, so that is one more than there was.
        """
        name: str | int = dispatch.key
        if announced(dispatch, self._business_now()).ce_id is None and sent.offset is not None:
            name, before = sent.offset, self._sent_at[dispatch.unit, sent.offset]
            self._sent_at[dispatch.unit, sent.offset] += 1
        self._wait(lambda: self._reader.answers_to(dispatch.unit, name)["rejected"] > before, dispatch, again=False)

    def _wait_for_answers(self, unanswered: list[Dispatch]) -> None:
        """Wait for receipts or rejections, in order; send again what has none for a while."""
        for dispatch in unanswered:
            self._wait_for_answer(dispatch)
        unanswered.clear()

    def _wait_for_answer(self, dispatch: Dispatch) -> None:
        self._wait(lambda: bool(self._answers(dispatch)), dispatch, again=True)

    def _wait_for_verdict(self, dispatch: Dispatch) -> None:
        self._wait(lambda: self._is_judged(dispatch), dispatch, again=False)

    def _is_judged(self, dispatch: Dispatch) -> bool:
        if dispatch.door is Door.KAFKA:
            return self._answers(dispatch)["verdict"] > 0
        status = self._http.status(self._packages[dispatch.item], dispatch.unit)
        return status.get("verdict") is not None

    def _answers(self, dispatch: Dispatch) -> Counter[str]:
        return self._reader.answers_to(dispatch.unit, dispatch.key)

    def _wait(self, done: Callable[[], bool], dispatch: Dispatch, *, again: bool) -> None:
        begun = last = time.monotonic()
        while not tolerant(done):
            at = time.monotonic()
            if self._stopping.is_set():
                raise UnansweredError(f"{dispatch.item} of {dispatch.unit}: nobody waits any longer")
            if at - begun > ANSWER_SECONDS_MAX:
                raise UnansweredError(f"{dispatch.item} of {dispatch.unit} has no answer after {ANSWER_SECONDS_MAX} s")
            if again and at - last > AGAIN_SECONDS:
                last = at
                with self._lock:
                    self.unanswered_count += 1
                self._send_again(dispatch)
            time.sleep(POLL_SECONDS)


def _is_answered(dispatch: Dispatch) -> bool:
    """Whether it gets one answer of its own on the topic, however often it is sent."""
    return dispatch.door is Door.KAFKA and not _is_unrepeatable(dispatch)


def _is_unrepeatable(dispatch: Dispatch) -> bool:
    """Whether it would be something else when it came a second time: it has no readable name, or not its own."""
    nameless = isinstance(dispatch.body, GarbageBody) or dispatch.used_key is not None
    return dispatch.door is Door.KAFKA and nameless
