"""HTTP on a real database; no broker is needed. Whom a service mailed, and what, is told to few."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import quote

import httpx
import pytest

from services.notify.app import build_app
from services.notify.context import WebContext
from shared.access import AccessTable, token_digest
from shared.events.catalogue import AccessV1
from shared.settings import CommonSettings
from tests.builders.catalogue_files import OTHER_UNIT, UNIT, a_snapshot
from tests.notify.nulls import NullAccess
from tests.notify.world import MONTH, TwoClocks

TOKENS = {"own": f"unit:{UNIT}", "other": f"unit:{OTHER_UNIT}", "leader": "leader", "office": "statistician"}
NOTICES, UPCOMING, MAILS = f"/v1/notices?delivery={quote(str(MONTH))}", "/v1/upcoming", "/v1/mails"

Serve = Callable[[AccessTable], AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def serve(notify_url: str, clock: TwoClocks) -> Serve:
    """Serve with a table of tokens; the catalogue is there, and there are no contacts."""

    @asynccontextmanager
    async def serving(access: AccessTable) -> AsyncIterator[httpx.AsyncClient]:
        app = build_app(CommonSettings(database_url=notify_url), clock=clock, access=access)
        web: WebContext = app.state.context
        web.context.state.reader.snapshot = a_snapshot()
        web.context.state.contacts.replace({})
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://notify") as client:
            yield client
        await web.units_of_work.sessions.kw["bind"].dispose()

    return serving


async def statuses(client: httpx.AsyncClient, who: str | None) -> list[int]:
    headers = {} if who is None else {"Authorization": f"Bearer token-of-{who}"}
    return [(await client.get(path, headers=headers)).status_code for path in (NOTICES, UPCOMING, MAILS)]


async def test_a_unit_is_told_of_its_own_the_office_of_all_and_a_stranger_of_nothing(
    serve: Serve, clock: TwoClocks
) -> None:
    access = AccessTable(clock)
    for who, scope in TOKENS.items():
        access.put(token_digest(f"token-of-{who}"), AccessV1(scopes=(scope,), subject=who))
    access.complete()
    async with serve(access) as client:
        assert {who: await statuses(client, who) for who in (*TOKENS, "nobody", None)} == {
            "own": [200, 403, 403],
            "other": [403, 403, 403],
            "leader": [403, 403, 403],
            "office": [200, 200, 200],
            "nobody": [401, 401, 401],
            None: [401, 401, 401],
        }


async def test_without_tokens_a_stranger_is_told_everything(serve: Serve, clock: TwoClocks) -> None:
    """The negative control: the table of tokens alone keeps strangers out."""
    async with serve(NullAccess(clock)) as client:
        assert await statuses(client, None) == [200, 200, 200]
