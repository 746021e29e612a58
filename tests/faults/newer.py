"""A service as its next version may be: `python -m tests.faults.newer validate`.

Its events have a field that today's models do not know, and behind each comes an event of a type that nobody reads.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from uuid import uuid4

import uvicorn
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus.outbox import Outbox, OutboxRow
from shared.bus.parts import Parts
from shared.bus.topics import NOTIFICATIONS, VALIDATION_RESULTS
from shared.logs import configure_logs
from shared.settings import CommonSettings

NEW_TYPE = "vn.lienthong.from.the.future.v1"
NEW_FIELD = b',"from_the_future":{"unheard_of":[1,2]}}'
TOPICS = (VALIDATION_RESULTS.name, NOTIFICATIONS.name)


@dataclass
class NewerOutbox:
    """The real outbox; what goes into it is a version ahead."""

    real: Outbox

    async def add(self, session: AsyncSession, rows: Sequence[OutboxRow]) -> None:
        written = []
        for row in rows:
            if row.topic not in TOPICS or row.value is None:
                written.append(row)
                continue
            event_id = str(uuid4())
            headers = {**row.headers, "ce_type": NEW_TYPE, "ce_id": event_id}
            written.append(replace(row, value=row.value.removesuffix(b"}") + NEW_FIELD))
            written.append(replace(row, value=b'{"unheard": "of"}', headers=headers, event_id=event_id))
        await self.real.add(session, written)


def main(service: str) -> None:
    """Run it."""
    settings = CommonSettings()
    configure_logs(service, settings.log_format, settings.log_level)
    parts = Parts.of(service, import_module(f"services.{service}.storage.tables").bus)
    app = import_module(f"services.{service}.app").build_app(
        settings, parts=replace(parts, outbox=NewerOutbox(parts.outbox))
    )
    uvicorn.run(app, host=settings.http_host, port=settings.http_port, log_config=None, access_log=False)


if __name__ == "__main__":
    main(sys.argv[1])
