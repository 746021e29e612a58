"""Senders share; the one who wants stillness waits for them, goes before those who come later, and shuts them out."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from chaos.stillness import Stillness
from tests.parts import until


async def test_whoever_wants_to_be_alone_waits_for_those_who_are_there_and_keeps_others_out() -> None:
    stillness, seen = Stillness(), list[str]()
    leave, entered, alone = Event(), Event(), Event()

    def share() -> None:
        with stillness.shared():
            entered.set()
            leave.wait(10)
        seen.append("left")

    def be_alone() -> None:
        alone.set()
        with stillness.alone():
            seen.append("alone")

    def come_late() -> None:
        with stillness.shared():
            seen.append("late")

    with ThreadPoolExecutor(3) as pool:

        async def begin(what: Callable[[], None], begun: Event) -> None:
            pool.submit(what)
            await until(begun.is_set)

        await begin(share, entered)
        await begin(be_alone, alone)
        await until(lambda: stillness.wanted)
        late = pool.submit(come_late)
        assert seen == []
        leave.set()
        late.result(10)
    assert seen.index("alone") < seen.index("late")
    assert set(seen) == {"left", "alone", "late"}


def test_several_share_at_once() -> None:
    stillness = Stillness()
    with stillness.shared(), stillness.shared():
        assert not stillness.wanted
