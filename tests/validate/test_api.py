"""HTTP on a real database; no broker is needed, since nothing here waits for one."""

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.validate.app import build_app
from services.validate.context import Context
from services.validate.settings import ValidateSettings
from services.validate.storage.tables import figures, judgements
from shared.access import AccessTable, Identity, token_digest
from shared.delivery_id import DeliveryId
from shared.events.catalogue import AccessV1
from shared.events.cells import CellValue
from shared.settings import CommonSettings
from tests.builders.rule_forms import FORM, UNIT, a_cell, a_delivery, a_line, a_rule, a_snapshot
from tests.validate.world import PACKAGE, World, explained, received

PATH = "SO-A/001.T%2FBCS-A/2024-06/estimate"
SNAPSHOT = a_snapshot(
    {
        "REQ": a_rule("required(*)"),
        "SUM": a_rule("total(I1, GEO)"),
        "JUMP": a_rule("ratio(I1, previous, 0.5, 2)", severity="warning"),
    },
    lines=(a_line("I1"), a_line("I1@GEO")),
)
MAY = received((a_cell("I1", 10), a_cell("I1@GEO=N", 4), a_cell("I1@GEO=S", 6)), "2024-05")
ODD = (a_cell("I1", 100), a_cell("I1@GEO=N", 40), a_cell("I1@GEO=S", 60))
WRONG = (a_cell("I1", 11, "D8"), a_cell("I1@GEO=N", 4), a_cell("I1@GEO=S", 6))
TOKENS = {"own": f"unit:{UNIT}", "other": "unit:SO-B", "statistician": "statistician", "leader": "leader"}


class Client:
    """Asks with one of the tokens, or with none."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def get(self, path: str, who: str | None = "own") -> httpx.Response:
        return await self._client.get(path, headers=_authorization(who))

    async def check(
        self, cells: Iterable[CellValue], who: str | None = "own", delivery: DeliveryId | None = None, **more: Any
    ) -> httpx.Response:
        body = {
            "delivery_id": str(delivery or a_delivery()),
            "cells": [cell.model_dump(mode="json", exclude_none=True) for cell in cells],
            **more,
        }
        return await self.post_raw(json.dumps(body).encode(), who)

    async def post_raw(self, content: bytes, who: str | None = "own") -> httpx.Response:
        return await self._client.post("/v1/check", content=content, headers=_authorization(who))


def _authorization(who: str | None) -> dict[str, str]:
    return {} if who is None else {"Authorization": f"Bearer token-of-{who}"}


@pytest.fixture
async def client(world: World, validate_url: str) -> AsyncIterator[Client]:
    """The service with a catalogue and tokens, on the world's database; May's report is accepted."""
    await world.release(SNAPSHOT)
    await world.take(MAY)
    app = build_app(CommonSettings(database_url=validate_url), settings=ValidateSettings(check_bytes_max=100_000))
    context: Context = app.state.context
    context.state.reader.snapshot = SNAPSHOT
    for who, scope in TOKENS.items():
        context.state.access.put(token_digest(f"token-of-{who}"), AccessV1(scopes=(scope,), subject=who))
    context.state.access.complete()
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://validate") as http:
        yield Client(http)
    await context.units_of_work.sessions.kw["bind"].dispose()


class TestJudgements:
    async def test_a_delivery_lists_its_judgements_by_version_and_number(self, world: World, client: Client) -> None:
        await world.take(received(ODD), explained("JUMP"), received(WRONG, version=2))
        found = (await client.get(f"/v1/deliveries/{PATH}/judgements")).json()
        assert [(each["version"], each["judgement"], each["verdict"], each.get("reason")) for each in found] == [
            (1, 1, "needs_explanation", None),
            (1, 2, "accepted_with_warnings", "explained"),
            (2, 1, "returned", None),
        ]
        (finding,) = found[2]["findings"]
        assert finding["place"] == {"sheet": "Biểu", "address": "D8"}
        assert finding["message"]["vi"] != finding["message"]["en"]

    async def test_a_slash_that_a_proxy_decoded_is_understood_too(self, client: Client) -> None:
        found = await client.get("/v1/deliveries/SO-A/001.T/BCS-A/2024-05/estimate/judgements")
        assert [each["verdict"] for each in found.json()] == ["accepted"]

    async def test_a_package_lists_the_judgements_of_all_its_reports(self, world: World, client: Client) -> None:
        await world.take(received(WRONG))
        found = (await client.get(f"/v1/judgements?package_id={PACKAGE}")).json()
        assert [each["delivery_id"].split("/")[2] for each in found] == ["2024-05", "2024-06"]
        assert (await client.get(f"/v1/judgements?package_id={UUID(int=9)}")).json() == []
        assert (await client.get("/v1/judgements?package_id=x")).status_code == 422

    async def test_an_address_that_names_no_delivery_is_not_found(self, client: Client) -> None:
        answer = await client.get("/v1/deliveries/SO-A/2024-06/judgements")
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:lienthong:problem:bad_delivery_id")


async def test_accepted_figures_can_be_taken_out(client: Client) -> None:
    found = (await client.get("/v1/figures/SO-A/001.T%2FBCS-A/2024-05/estimate")).json()
    assert [cell["value"] for cell in found["cells"]] == ["10", "4", "6"]
    missing = await client.get(f"/v1/figures/{PATH}")
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:lienthong:problem:no_figures")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/deliveries/SO-A/001.T%2FBCS-A/2024-05/estimate/judgements",
        "/v1/figures/SO-A/001.T%2FBCS-A/2024-05/estimate",
        f"/v1/judgements?package_id={PACKAGE}",
        "check",
    ],
)
async def test_a_unit_sees_its_own_and_the_office_sees_all(client: Client, path: str) -> None:
    async def status(who: str | None) -> int:
        answer = await (client.check(ODD, who) if path == "check" else client.get(path, who))
        return answer.status_code

    assert {who: await status(who) for who in TOKENS} == {"own": 200, "other": 403, "statistician": 200, "leader": 200}
    assert (await status(None), await status("nobody")) == (401, 401)


class EverybodyIsStatistician(AccessTable):
    """The null part: it believes whatever it is told, even nothing."""

    def identify(self, authorization: str | None) -> Identity:
        return Identity("anybody", frozenset({"statistician"}))


async def test_without_tokens_anybody_reads_everything(world: World, validate_url: str) -> None:
    """The negative control of the tests about tokens: a stranger is refused by the table of tokens alone."""
    await world.release(SNAPSHOT)
    await world.take(MAY)
    app = build_app(CommonSettings(database_url=validate_url), access=EverybodyIsStatistician(world.state.clock))
    app.state.context.state.reader.snapshot = SNAPSHOT
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://validate") as http:
        stranger = Client(http)
        path = "/v1/figures/SO-A/001.T%2FBCS-A/2024-05/estimate"
        statuses = [(await answer).status_code for answer in (stranger.get(path, None), stranger.check(ODD, None))]
    assert statuses == [200, 200]
    await app.state.context.units_of_work.sessions.kw["bind"].dispose()


class TestDryRun:
    async def test_it_says_what_the_verdict_would_be_and_stores_nothing(self, world: World, client: Client) -> None:
        before = [await world.count(table) for table in (judgements, figures)]
        result = (await client.check(WRONG)).json()
        assert (result["verdict"], result["error_count"], result["release"]) == ("returned", 1, 1)
        assert [each["rule"] for each in result["findings"]] == ["SUM"]
        assert [await world.count(table) for table in (judgements, figures)] == before

    async def test_it_finds_what_the_engine_finds(self, world: World, client: Client) -> None:
        for version, cells in enumerate((WRONG, ODD, ()), start=1):
            await world.take(received(cells, version=version))
            judged = (await client.get(f"/v1/deliveries/{PATH}/judgements")).json()[-1]
            dry = (await client.check(cells)).json()
            for said in ("verdict", "findings", "not_applicable", "error_count", "warning_count"):
                assert dry[said] == judged[said]

    async def test_cells_that_are_not_listed_are_missing(self, client: Client) -> None:
        result = (await client.check([])).json()
        assert [each["rule"] for each in result["findings"]] == ["REQ"] * 3

    async def test_an_explanation_can_be_tried_too(self, client: Client) -> None:
        assert (await client.check(ODD)).json()["verdict"] == "needs_explanation"
        answer = await client.check(ODD, explanations=[{"rule": "JUMP", "text": "vì…"}])
        assert answer.json()["verdict"] == "accepted_with_warnings"

    async def test_a_report_that_nobody_owes_is_not_found(self, client: Client) -> None:
        answer = await client.check(ODD, delivery=DeliveryId.of(UNIT, FORM + "X", "2024-06", "estimate"))
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:lienthong:problem:unknown_delivery")

    async def test_cells_that_are_not_on_the_form_or_stand_twice_are_named(self, client: Client) -> None:
        answer = await client.check([*ODD, a_cell("I1@GEO=X", 1), a_cell("I1", 3)])
        assert answer.status_code == 422
        found = [(each["rule"], each["cell"]["dimensions"]) for each in answer.json()["findings"]]
        assert found == [("door.unknown_cell", {"GEO": "X"}), ("door.duplicate_cell", {})]

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"delivery_id": "x", "cells": []}', b"\xff"])
    async def test_what_cannot_be_read_is_a_problem_in_both_languages(self, client: Client, content: bytes) -> None:
        answer = await client.post_raw(content)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["title"] != answer.json()["title_en"]

    async def test_a_body_over_the_limit_is_refused_before_it_is_read_whole(self, client: Client) -> None:
        answer = await client.post_raw(b" " * 100_001)
        assert (answer.status_code, answer.json()["type"]) == (413, "urn:lienthong:problem:body_too_large")

    async def test_who_may_not_ask_is_told_so_before_anything_is_read(self, client: Client) -> None:
        assert (await client.post_raw(b" " * 100_001, None)).status_code == 401


async def test_before_the_first_release_a_dry_run_is_asked_to_come_back(validate_url: str) -> None:
    app = build_app(CommonSettings(database_url=validate_url))
    context: Context = app.state.context
    context.state.access.put(token_digest("t"), AccessV1(scopes=("statistician",), subject="t"))
    context.state.access.complete()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://validate") as client:
        answer = await client.post("/v1/check", json={}, headers={"Authorization": "Bearer t"})
        ready = await client.get("/health/ready")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert (ready.status_code, ready.json()["checks"]["catalogue"], ready.json()["checks"]["database"]) == (
        503,
        False,
        True,
    )
    await context.units_of_work.sessions.kw["bind"].dispose()


def test_every_reference_in_the_openapi_document_leads_somewhere() -> None:
    document = build_app(CommonSettings()).openapi()
    text = json.dumps(document)
    names = {piece.partition('"')[0] for piece in text.split('"#/components/schemas/')[1:]}
    assert "CellValue" in names
    assert names <= set(document["components"]["schemas"])
    assert "#/$defs/" not in text
