"""HTTP on a real database; no broker is needed, since nothing here waits for one."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from openpyxl import load_workbook

from services.catalogue.app import build_app
from services.catalogue.tokens import issue
from shared.access import AccessTable, Identity
from shared.bus.partitions import UNITLESS
from shared.delivery_id import DeliveryId
from shared.events.deadlines import DeadlineExtendedV1
from shared.events.findings import Verdict
from shared.settings import CommonSettings
from shared.workbook import DATA_SHEET, IDENTITY_SHEET
from tests.builders.catalogue_files import a_catalogue
from tests.catalogue.world import World, judged, received

MONTH = DeliveryId.of("SO-A", "001.T/BCS-A", "2024-06", "estimate")
PATH = "/v1/deliveries/SO-A/001.T%2FBCS-A/2024-06/estimate"
DUE = datetime(2024, 6, 18, 16, 59, 59, tzinfo=UTC)
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class Asker:
    """Asks the service with a token of its own."""

    def __init__(self, client: httpx.AsyncClient, token: str | None) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self._client.get(path, params=params or None, headers=self._headers)

    async def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return await self._client.post(path, json=body, headers=self._headers)


@pytest.fixture
async def app(world: World, catalogue_url: str) -> FastAPI:
    await world.load_and_open(a_catalogue())
    app = build_app(CommonSettings(database_url=catalogue_url), clock=world.clock)
    await app.state.jobs.tick()
    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://catalogue") as client:
        yield client
    await app.state.context.units_of_work.sessions.kw["bind"].dispose()


async def asker(world: World, app: FastAPI, client: httpx.AsyncClient, *scopes: str) -> Asker:
    async with world.units_of_work.begin([UNITLESS]) as work:
        token = await issue(work, scopes, "Mai")
    async with world.units_of_work.sessions() as session:
        await app.state.context.state.refresh(session)
    return Asker(client, token)


@pytest.fixture
async def unit(world: World, app: FastAPI, client: httpx.AsyncClient) -> Asker:
    return await asker(world, app, client, "unit:SO-A")


@pytest.fixture
async def statistician(world: World, app: FastAPI, client: httpx.AsyncClient) -> Asker:
    return await asker(world, app, client, "statistician")


async def test_nothing_is_answered_without_a_valid_token(client: httpx.AsyncClient) -> None:
    for token in (None, "made-up"):
        for path in ("/v1/deliveries", PATH, "/v1/units", "/v1/forms/001.T%2FBCS-A/workbook?unit=SO-A"):
            answer = await Asker(client, token).get(path)
            assert answer.status_code == 401
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["title_en"]


class EverybodyIsStatistician(AccessTable):
    """The null part: it believes whatever it is told, even nothing."""

    def identify(self, authorization: str | None) -> Identity:
        return Identity("anybody", frozenset({"statistician"}))


async def test_without_tokens_anybody_reads_and_changes_everything(
    world: World, app: FastAPI, catalogue_url: str
) -> None:
    """The negative control of the tests about tokens."""
    open_app = build_app(
        CommonSettings(database_url=catalogue_url), clock=world.clock, access=EverybodyIsStatistician(world.clock)
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=open_app), base_url="http://catalogue") as client:
        anybody = Asker(client, None)
        assert (await anybody.get(PATH)).status_code == 200
        granted = {"due_at": "2024-06-25T23:59:59+07:00", "reason": "x"}
        assert (await anybody.post(f"{PATH}/extensions", granted)).status_code == 201
    await open_app.state.context.units_of_work.sessions.kw["bind"].dispose()


async def test_a_unit_sees_its_own_deliveries_and_nobody_elses(unit: Asker, statistician: Asker) -> None:
    own = (await unit.get("/v1/deliveries", limit=1000)).json()["items"]
    every = (await statistician.get("/v1/deliveries", limit=1000)).json()["items"]
    assert {item["unit"] for item in own} == {"SO-A"}
    assert {item["unit"] for item in every} == {"SO-A", "SO-B"}
    for path in ("/v1/deliveries?unit=SO-B", "/v1/deliveries/SO-B/001.T%2FBCS-A/2024-06/estimate"):
        assert (await unit.get(path)).status_code == 403


async def test_deliveries_are_found_by_what_they_are_and_when_they_are_due(statistician: Asker) -> None:
    async def ids(**params: Any) -> list[str]:
        answer = (await statistician.get("/v1/deliveries", **params)).json()
        return [item["id"] for item in answer["items"]]

    assert await ids(unit="SO-A", period="2024-06", status="estimate") == [str(MONTH)]
    assert len(await ids(history="false", form="001.T/BCS-A")) == 4
    assert await ids(due_before=(DUE - timedelta(days=1)).isoformat()) == ["SO-A/001.T%2FBCS-A/2024-Q2/estimate"]
    assert await ids(state="planned", history="false") == ["SO-A/001.T%2FBCS-A/2024-06/preliminary"]
    assert (await statistician.get("/v1/deliveries", status="final?")).status_code == 422


async def test_pages_follow_each_other_without_gap_or_double(statistician: Asker) -> None:
    whole = (await statistician.get("/v1/deliveries", limit=1000)).json()
    assert whole["next"] is None
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await statistician.get("/v1/deliveries", limit=4, **cursor)).json()
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert found == [item["id"] for item in whole["items"]]


@pytest.mark.parametrize("path", [PATH, PATH.replace("%2F", "/")])
async def test_a_delivery_is_found_by_its_id_also_behind_a_proxy_that_decodes_it(unit: Asker, path: str) -> None:
    answer = await unit.get(path)
    assert answer.status_code == 200
    assert answer.json()["id"] == str(MONTH)
    assert answer.json()["due_at"] == "2024-06-18T16:59:59Z"


@pytest.mark.parametrize("path", ["x", "SO-A/001.T%2FBCS-A/2024-06", "SO-A/001.T%2FBCS-A/2024-13/estimate"])
async def test_an_address_that_names_no_delivery_is_explained(statistician: Asker, path: str) -> None:
    answer = await statistician.get(f"/v1/deliveries/{path}")
    assert answer.status_code == 404
    assert "2024-06/estimate" in answer.json()["detail"]
    assert (await statistician.get("/v1/deliveries/SO-A/X/2024-06/estimate")).status_code == 404


async def test_a_delivery_shows_its_versions_and_verdicts(world: World, unit: Asker) -> None:
    at = DUE - timedelta(days=1)
    await world.feed(received(MONTH, 1, at), judged(MONTH, 1, Verdict.RETURNED, at), received(MONTH, 2, at))
    body = (await unit.get(PATH)).json()
    assert body["state"] == "received"
    assert [(each["version"], each["judgement"], each["verdict"]) for each in body["versions"]] == [
        (1, 1, "returned"),
        (2, 0, None),
    ]


async def test_a_statistician_grants_more_time_and_it_is_told(world: World, unit: Asker, statistician: Asker) -> None:
    granted = {"due_at": "2024-06-25T23:59:59+07:00", "reason": "mưa lũ", "document_number": "12/CV"}
    assert (await unit.post(f"{PATH}/extensions", granted)).status_code == 403
    answer = await statistician.post(f"{PATH}/extensions", granted)
    assert answer.status_code == 201
    assert answer.json()["deadline_version"] == 2
    (extension,) = answer.json()["extensions"]
    assert (extension["granted_by"], extension["reason"], extension["before"]) == (
        "Mai",
        "mưa lũ",
        "2024-06-18T16:59:59Z",
    )
    (told,) = await world.published(DeadlineExtendedV1)
    assert (told.delivery_id, told.deadline_version, told.document_number) == (MONTH, 2, "12/CV")
    await world.watermark(DUE + timedelta(days=1))
    assert await world.told(MONTH) == ["opened 1", "extended 2"], "the old date passes unnoticed"
    await world.watermark(DUE + timedelta(days=8))
    assert await world.told(MONTH) == ["opened 1", "extended 2", "passed 2"]


async def test_a_new_deadline_names_its_last_second(statistician: Asker) -> None:
    granted = {"due_at": "2024-06-25T23:59:59.999+07:00", "reason": "x"}
    answer = await statistician.post(f"{PATH}/extensions", granted)
    assert (answer.status_code, answer.json()["due_at"]) == (201, "2024-06-25T16:59:59Z")


@pytest.mark.parametrize("due_at", ["2024-06-18T16:59:59Z", "2024-06-01T00:00:00Z"])
async def test_more_time_means_a_later_date(statistician: Asker, due_at: str) -> None:
    answer = await statistician.post(f"{PATH}/extensions", {"due_at": due_at, "reason": "x"})
    assert answer.status_code == 409


async def test_only_what_is_open_and_has_a_date_is_extended(world: World, statistician: Asker) -> None:
    granted = {"due_at": "2024-08-25T23:59:59+07:00", "reason": "x"}
    history = "/v1/deliveries/SO-A/001.T%2FBCS-A/2024-05/estimate/extensions"
    planned = "/v1/deliveries/SO-A/001.T%2FBCS-A/2024-06/preliminary/extensions"
    unknown = "/v1/deliveries/SO-A/X/2024-06/estimate/extensions"
    await world.feed(judged(MONTH, 1, Verdict.ACCEPTED, DUE))
    codes = [(await statistician.post(path, granted)).status_code for path in (history, planned, unknown)]
    assert codes == [409, 409, 404]
    assert (await statistician.post(f"{PATH}/extensions", granted)).status_code == 409


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("units", "SO-A"),
        ("forms", "001.T%2FBCS-A"),
        ("indicators", "I1"),
        ("code-lists", "GEO"),
        ("rules", "R1"),
        ("obligations", "SO-A%2F001.T%252FBCS-A%2FM%2Festimate"),
    ],
)
async def test_entities_are_listed_and_found_with_their_history(unit: Asker, path: str, code: str) -> None:
    listed = (await unit.get(f"/v1/{path}")).json()
    assert listed["release"] == 1
    one = await unit.get(f"/v1/{path}/{code}")
    assert one.status_code == 200
    assert one.json()["versions"]
    assert {key: value for key, value in one.json().items() if key != "release"} in listed["items"]
    assert (await unit.get(f"/v1/{path}/none")).status_code == 404
    first = (await unit.get(f"/v1/{path}", limit=1)).json()
    rest = (await unit.get(f"/v1/{path}", after=first["next"] or "zzz")).json()
    assert first["items"] + rest["items"] == listed["items"]


async def test_the_form_of_a_unit_is_rendered_for_what_it_owes_next(unit: Asker) -> None:
    answer = await unit.get("/v1/forms/001.T%2FBCS-A/workbook", unit="SO-A")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == XLSX
    assert "001.T-BCS-A" in answer.headers["content-disposition"]
    book = load_workbook(BytesIO(answer.content))
    assert book.sheetnames == [DATA_SHEET, IDENTITY_SHEET]
    identity = [(row[0].value, row[1].value) for row in book[IDENTITY_SHEET].iter_rows(max_col=2) if row[0].value]
    assert identity == [
        ("layout", "1"),
        ("form", "001.T/BCS-A"),
        ("release", "1"),
        ("delivery", "SO-A/001.T%2FBCS-A/2024-Q2/estimate"),
    ]


async def test_the_form_is_rendered_for_the_deliveries_that_are_named(unit: Asker) -> None:
    by_id = await unit.get("/v1/forms/001.T%2FBCS-A/workbook", delivery=str(MONTH))
    by_pair = await unit.get("/v1/forms/001.T%2FBCS-A/workbook", unit="SO-A", period="2024-06", status="estimate")
    for answer in (by_id, by_pair):
        book = load_workbook(BytesIO(answer.content))
        assert str(MONTH) in {cell.value for cell in book[IDENTITY_SHEET]["B"]}


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({}, 422),
        ({"unit": "SO-B"}, 403),
        ({"delivery": "SO-B/001.T%2FBCS-A/2024-06/estimate"}, 403),
        ({"delivery": "SO-A/X/2024-06/estimate"}, 422),
        ({"delivery": "SO-A/001.T%2FBCS-A/2024-06/final"}, 404),
        ({"delivery": "nonsense"}, 404),
        ({"unit": "SO-A", "period": "2024-06"}, 422),
        ({"unit": "SO-A", "period": "June", "status": "estimate"}, 404),
    ],
)
async def test_a_form_that_cannot_be_rendered_is_explained(unit: Asker, params: dict[str, str], status: int) -> None:
    answer = await unit.get("/v1/forms/001.T%2FBCS-A/workbook", **params)
    assert answer.status_code == status
    assert answer.json()["title"]


async def test_before_the_first_release_the_catalogue_says_so(world: World, catalogue_url: str) -> None:
    app = build_app(CommonSettings(database_url=catalogue_url), clock=world.clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://catalogue") as client:
        somebody = await asker(world, app, client, "leader")
        assert (await somebody.get("/v1/units")).status_code == 503
        ready = await client.get("/health/ready")
        assert ready.status_code == 503
        assert ready.json()["checks"]["catalogue"] is False
    await app.state.context.units_of_work.sessions.kw["bind"].dispose()
