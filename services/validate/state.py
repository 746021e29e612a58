"""What the running service holds in memory: the rules of the release in force, and who may ask."""

from services.validate.domain.rules.compile import RuleBook
from services.validate.metrics import RELEASE
from services.validate.settings import ValidateSettings
from shared.access import AccessTable
from shared.catalogue.reader import CatalogueReader
from shared.catalogue.snapshot import Snapshot
from shared.clock import Clock


class ValidateState:
    """The catalogue's reader, the rule book of its newest release, the tokens, the clock."""

    def __init__(self, reader: CatalogueReader, access: AccessTable, settings: ValidateSettings, clock: Clock) -> None:
        self.reader = reader
        self.clock = clock
        self.access = access
        self.settings = settings
        self._book: RuleBook | None = None
        reader.on_release(lambda snapshot: RELEASE.set(snapshot.release))

    async def book_for(self, release: int) -> RuleBook:
        """Return the rules of the newest release once it is at least this one; raises UnavailableError until then."""
        snapshot = await self.reader.wait_for(release, self.settings.release_wait_seconds_max)
        return self._book_of(snapshot)

    @property
    def book(self) -> RuleBook | None:
        """The rules in force, None before the first release."""
        return self._book_of(self.reader.snapshot) if self.reader.snapshot else None

    def _book_of(self, snapshot: Snapshot) -> RuleBook:
        if self._book is None or self._book.release != snapshot.release:
            self._book = RuleBook(snapshot)
        return self._book
