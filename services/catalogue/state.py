"""What the running service holds in memory, read from its own tables: the newest release and the tokens."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from services.catalogue.metrics import RELEASE
from services.catalogue.storage.entities import last_release_number, load_snapshot
from services.catalogue.storage.tokens import TokensRevision, tokens_revision, valid_tokens
from shared.access import AccessTable
from shared.catalogue.snapshot import Snapshot
from shared.logs import get_logger

log = get_logger(__name__)


@dataclass
class CatalogueState:
    """Refreshed by a job; commands write the tables beside the running service."""

    access: AccessTable
    snapshot: Snapshot | None = None
    _tokens: TokensRevision | None = None

    @property
    def release(self) -> int | None:
        """The release in force, None before the first."""
        return self.snapshot.release if self.snapshot else None

    @property
    def has_tokens(self) -> bool:
        """Whether the tokens were read."""
        return self._tokens is not None

    async def refresh(self, session: AsyncSession) -> None:
        """Read what has changed since the last time."""
        newest = await last_release_number(session)
        if newest is not None and newest != self.release:
            self.snapshot = await load_snapshot(session)
            RELEASE.set(newest)
            log.info("catalogue_release", release=newest)
        revision = await tokens_revision(session)
        if revision != self._tokens:
            self.access.replace(await valid_tokens(session))
            self._tokens = revision
