"""The consumer: effects once, a bad message costs itself alone, a broken world costs nothing."""

from tests.bus.conftest import MakeCounter
from tests.parts import until


async def test_what_is_published_is_taken_in_once_and_in_order(counter: MakeCounter) -> None:
    service = await counter()
    await service.count("SKHDT", 1, 2, 3)
    await service.count("STC", 1)
    await service.count("SKHDT", 4)
    await until(lambda: _count(service, 5))
    assert await service.numbers("SKHDT") == [1, 2, 3, 4]
    assert await service.numbers("STC") == [1]


async def _count(service, n):
    return len(await service.effects()) >= n
