r"""Header names that are not UTF-8, which aiokafka 0.14 cannot read past.

The broker takes any bytes as the name of a header, and `kcat -H` sends them. aiokafka decodes names strictly while it
unpacks a fetched batch, so one such message would stop its partition, and the consumer with it, for ever. Here such a
batch alone is unpacked again, tolerantly: the byte 0xff in a name becomes the four characters `\xff`.
"""

# ruff: noqa: SLF001 -- aiokafka has no door for this; the test of strangers says when a new version needs another one

from collections.abc import Iterator
from itertools import islice
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy


def read_any_header_name() -> None:
    """Make aiokafka's consumers of this process read on; to be called before they start, as often as one likes."""
    fetcher.MemoryRecords = TolerantRecords  # type: ignore[attr-defined, assignment]


class TolerantRecords:
    """A fetched run of batches: aiokafka's own reader, and a slower one for batches that it cannot read."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._records = MemoryRecords(data)
        self._batch_count = 0

    def has_next(self) -> bool:
        """Whether there is another batch."""
        return self._records.has_next()

    def size_in_bytes(self) -> int:
        """Return the bytes of all batches."""
        return self._records.size_in_bytes()

    def next_batch(self) -> "TolerantBatch":
        """Return the next batch."""
        self._batch_count += 1
        return TolerantBatch(self._records.next_batch(), self._data, self._batch_count - 1)


class TolerantBatch:
    """One batch; but for its records it is aiokafka's own."""

    def __init__(self, batch: Any, data: bytes, index: int) -> None:
        self._batch = batch
        self._data = data
        self._index = index

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        count = 0
        try:
            for record in self._batch:
                yield record
                count += 1
        except UnicodeDecodeError:
            yield from islice(self._tolerant(), count, None)

    def _tolerant(self) -> Iterator[Any]:
        batches = _MemoryRecordsPy(self._data)
        for _ in range(self._index):
            batches.next_batch()
        batch = _DefaultRecordBatchPy(bytes(batches._next_slice or b""))
        batch._maybe_uncompress()
        batch._buffer = _TolerantBytes(batch._buffer)
        return iter(batch)


class _TolerantBytes(bytearray):
    """Bytes whose slices decode to something, whatever they are."""

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return _TolerantBytes(found) if isinstance(place, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)
