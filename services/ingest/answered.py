"""What ingest had answered, read back from the agencies' topics, and what is missing behind it: for recovering."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from uuid import UUID

from services.ingest.storage.arrivals import DoorKey, StoredAnswer, door_key
from services.ingest.storage.packages import submission_of
from services.ingest.storage.recovered import named_originals
from shared.bus.past import Told
from shared.bus.work import Work
from shared.delivery_id import DeliveryId
from shared.events.agency import Answered, PackageReceivedV1, PackageRejectedV1
from shared.objects import FolderStore
from shared.text import Text

NAMES_SHOWN_MAX = 50

Digests = Mapping[tuple[str, int], str]
"""By unit and offset in its topic, SHA-256 of what agencies published and the restored database has not taken in."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer on an agency's topic, as its sender read it."""

    unit: str
    data: PackageReceivedV1 | PackageRejectedV1
    stored: StoredAnswer

    @classmethod
    def of(cls, told: Told) -> "Answer":
        """Return what stands on the topic."""
        headers = {name: value.decode() for name, value in told.record.headers}
        stored = StoredAnswer(told.record.topic, told.event.id, headers, told.record.value or b"")
        return cls(told.event.unit, told.event.data, stored)

    @property
    def key(self) -> DoorKey | None:
        """What the sender called what was answered."""
        return key_of(self.unit, self.data.answers)


def key_of(unit: str, answered: Answered) -> DoorKey | None:
    """Return what a sender called something; None when it did not."""
    if answered.source is None or answered.id is None:
        return None
    return door_key(unit, answered.source, answered.id)


async def unbacked(answered: Sequence[Answer], work: Work[None]) -> list[Text]:
    """Return the versions that an agency was told of, and that were lost before anybody else was."""
    lost = [
        f"{receipt.delivery_id} v{receipt.version} ({answer.data.package_id})"
        for answer in answered
        if isinstance(answer.data, PackageReceivedV1)
        for receipt in answer.data.submissions
        if await submission_of(work.session, receipt.delivery_id, receipt.version) is None
    ]
    return [
        Text(
            vi=f"Đã báo cho cơ quan là nhận {each}, nhưng số liệu chưa kịp công bố: gói sẽ được nhận lại với mã mới.",
            en=f"The agency was told that {each} was taken, but its figures were not published yet: "
            "its package will be taken again under a new id.",
        )
        for each in lost
    ]


def given_out_twice(package_id: UUID, numbers: Collection[tuple[DeliveryId, int]]) -> Text:
    """Return what to do about a package whose numbers another one had before: ingest ran without recovering."""
    listed = ", ".join(sorted(f"{delivery} v{version}" for delivery, version in numbers))
    return Text(
        vi=f"Gói {package_id} mang số đã cấp cho gói khác ({listed}) nên không được kiểm tra: đề nghị đơn vị gửi lại.",
        en=f"Package {package_id} has numbers that another one had before ({listed}), so nobody judged it: "
        "ask its unit to send it again.",
    )


async def orphans(folder: Path, since: datetime, digests: Digests, work: Work[None]) -> list[Text]:
    """Return what lies in the object store since the copy and nothing speaks of: taken, or rejected over HTTP."""
    names = set(await asyncio.to_thread(partial(FolderStore(folder).written_since, since)))
    names -= set(digests.values())
    orphans = sorted(names - await named_originals(work.session, names))
    if not orphans:
        return []
    listed = "\n  ".join(orphans[:NAMES_SHOWN_MAX])
    return [
        Text(
            vi=f"{len(orphans)} bản gốc trong kho không thuộc gói nào: đã bị từ chối qua HTTP, hoặc đã nhận mà chưa "
            f"kịp công bố. Mở từng tệp, hỏi đơn vị gửi lại nếu cần:\n  {listed}",
            en=f"{len(orphans)} originals in the object store belong to no package: they were rejected over HTTP, or "
            f"taken and not published yet. Open each, and ask its unit to send again where needed:\n  {listed}",
        )
    ]
