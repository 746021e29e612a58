"""The HTTP doors: what is taken, what is refused and how it is said."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.types import Message as AsgiMessage

from shared.access import Identity
from shared.delivery_id import DeliveryId
from shared.events.findings import Verdict
from shared.problems import UnavailableError
from tests.builders.catalogue_files import FORM, OTHER_UNIT, UNIT
from tests.ingest.conftest import MakeWorld
from tests.ingest.domain.packages import MONTH, a_package, a_report, an_observation
from tests.ingest.world import NOW, World, a_message, an_explanation

OTHERS = DeliveryId.of(OTHER_UNIT, FORM, "2024-06", "estimate")


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """Return the problem details of a response that must be one, in both languages."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["type"].startswith("urn:lienthong:problem:")
    assert body["title"]
    assert body["title_en"]
    assert body["title"] != body["title_en"]
    if "detail" in body and body["type"] != "urn:lienthong:problem:invalid_request":  # of a library, English alone
        assert body["detail"] != body["detail_en"]
    return body


async def test_a_package_is_taken_and_its_address_tells_what_becomes_of_it(world: World) -> None:
    response = await world.post()
    assert response.status_code == 202
    body = response.json()
    assert response.headers["location"] == f"/v1/packages/{body['package_id']}"
    (submission,) = await world.told("submission.received")
    assert submission.body["package_id"] == body["package_id"]
    assert (submission.body["channel"], submission.body["received_at"]) == ("http_json", "2024-06-12T02:00:00Z")
    assert NOW.isoformat() == "2024-06-12T02:00:00+00:00", "business time of the body's end"
    async with world.client() as client:
        waiting = (await client.get(response.headers["location"])).json()
        assert (waiting["state"], waiting.get("verdict")) == ("received", None)
        await world.judge(submission.body, Verdict.ACCEPTED)
        judged = (await client.get(response.headers["location"])).json()
        original = await client.get(judged["original"])
    assert (judged["state"], judged["verdict"]) == ("judged", "accepted")
    assert judged["submissions"][0] == {
        "delivery_id": str(MONTH), "version": 1, "judgement": 1, "verdict": "accepted", "findings": [],
    }  # fmt: skip
    assert original.json() == a_package()
    assert await world.told("verdict") == [], "an answer goes where the package came from"


async def test_a_wrong_package_is_refused_at_once_with_all_findings(world: World) -> None:
    wrong = a_package(a_report("2024-06", "estimate", an_observation(value="x"), an_observation("I9")))
    body = problem(await world.post(wrong), 422)
    assert [each["rule"] for each in body["findings"]] == ["door.not_a_number", "door.unknown_indicator"]
    assert body["findings"][0]["message"]["vi"]
    assert await world.told() == []


async def test_a_body_that_does_not_fit_is_refused_with_the_path(world: World) -> None:
    body = problem(await world.post(a_package(a_report("2024-13"))), 422)
    assert body["findings"][0]["document"] == "reports[0].period"


async def test_no_json_is_400_and_a_foreign_type_415(world: World) -> None:
    problem(await world.post(content=b"Kinh gui"), 400)
    problem(await world.post(content=b"a,b", headers={"Content-Type": "text/csv"}), 415)
    problem(await world.post(content=b"{}", headers={"Content-Type": ""}), 415)


@pytest.mark.parametrize("who", [None, "nobody", ""])
async def test_without_a_valid_token_nothing_is_taken(world: World, who: str | None) -> None:
    response = await world.post(who=who)
    problem(response, 401)
    assert response.headers["www-authenticate"] == "Bearer"
    assert await world.told() == []


async def sent_for_another_unit(world: World) -> list[str]:
    """Try every way in which a request might name another unit; return the units that something was taken for."""
    await world.open(OTHERS)
    await world.post(params={"unit": OTHER_UNIT})
    await world.post(headers={"X-Lienthong-Unit": OTHER_UNIT})
    await world.post(a_package(unit=OTHER_UNIT))
    await world.post(a_package(on_behalf_of=OTHER_UNIT))
    await world.post(an_explanation(), path="explanations", params={"unit": OTHER_UNIT})
    return [DeliveryId.parse(each.body["delivery_id"]).unit for each in await world.told("submission.received")]


async def test_a_unit_cannot_speak_for_another_one(world: World) -> None:
    assert await sent_for_another_unit(world) == []


class CredulousSenders:
    """Believes what a request says of itself."""

    def sender_unit(self, identity: Identity, asked: str | None) -> str:
        return asked or next(iter(identity.units))

    def require_reader(self, identity: Identity, unit: str) -> None:
        return None


async def test_without_scopes_whoever_names_another_unit_speaks_for_it(make_world: MakeWorld) -> None:
    """The negative control of the test before."""
    world = await make_world(senders=CredulousSenders())
    assert OTHER_UNIT in await sent_for_another_unit(world)


async def test_each_scope_may_do_its_own(world: World) -> None:
    await world.open(OTHERS)
    problem(await world.post(who="leader"), 403)
    problem(await world.post(who="leader", params={"unit": UNIT}), 403)
    problem(await world.post(who="other", params={"unit": UNIT}), 403)
    problem(await world.post(who="statistician"), 400)
    problem(await world.post(who="both"), 400)
    assert (await world.post(who="statistician", params={"unit": UNIT})).status_code == 202
    assert (await world.post(who="both", params={"unit": OTHER_UNIT})).status_code == 202
    problem(await world.post(who="statistician", params={"unit": "KHONG-CO"}), 404)
    problem(await world.post(who="statistician", params={"unit": "không phải mã"}), 400)


async def test_a_package_is_read_by_its_unit_and_the_office_alone(world: World) -> None:
    address = (await world.post()).headers["location"]
    statuses = {}
    for who in ("unit", "other", "statistician", "leader", "nobody"):
        async with world.client(who) as client:
            statuses[who] = [(await client.get(address + suffix)).status_code for suffix in ("", "/original")]
    assert statuses == {
        "unit": [200, 200], "other": [403, 403], "statistician": [200, 200], "leader": [200, 200],
        "nobody": [401, 401],
    }  # fmt: skip
    async with world.client() as client:
        problem(await client.get("/v1/packages/00000000-0000-0000-0000-000000000000"), 404)
        problem(await client.get("/v1/packages/khong-phai-uuid"), 422)


async def test_the_same_key_is_the_same_package_and_other_content_a_conflict(world: World) -> None:
    key = {"Idempotency-Key": "thang-6"}
    first, again = await world.post(headers=key), await world.post(headers=key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["package_id"] == again.json()["package_id"]
    body = problem(await world.post(a_package(document_number="13/BC"), headers=key), 409)
    assert body["findings"][0]["rule"] == "door.id_reused"
    assert len(await world.told("submission.received")) == 1


async def test_without_a_key_each_request_is_a_new_version(world: World) -> None:
    await world.post()
    await world.post()
    assert [each.body["version"] for each in await world.told("submission.received")] == [1, 2]


async def test_the_same_key_at_the_same_time_is_taken_once(world: World) -> None:
    key = {"Idempotency-Key": "thang-6"}
    responses = await asyncio.gather(*(world.post(headers=key) for _ in range(6)))
    assert {response.status_code for response in responses} == {202}
    assert len({response.json()["package_id"] for response in responses}) == 1
    assert len(await world.told("submission.received")) == 1


async def test_many_at_once_are_numbered_without_gap(world: World) -> None:
    await asyncio.gather(*(world.post() for _ in range(12)))
    assert [each.body["version"] for each in await world.told("submission.received")] == list(range(1, 13))


async def test_an_explanation_is_taken_only_when_one_is_awaited(world: World) -> None:
    problem(await world.post(an_explanation(), path="explanations"), 404)
    package_id = (await world.post()).json()["package_id"]
    problem(await world.post(an_explanation(), path="explanations"), 409)
    (submission,) = await world.told("submission.received")
    await world.judge(submission.body, Verdict.NEEDS_EXPLANATION)
    problem(await world.post(an_explanation(7), path="explanations"), 404)
    problem(await world.post(an_explanation(explanations=[]), path="explanations"), 422)
    response = await world.post(an_explanation(1), path="explanations")
    assert response.status_code == 202
    assert response.headers["location"] == f"/v1/packages/{package_id}"
    assert len(await world.told("submission.explained")) == 1
    await world.judge(submission.body, Verdict.ACCEPTED_WITH_WARNINGS, judgement=2)
    problem(await world.post(an_explanation(1), path="explanations"), 409)


async def test_an_older_version_is_not_explained(world: World) -> None:
    for _ in range(2):
        await world.post()
    for each in await world.told("submission.received"):
        await world.judge(each.body, Verdict.NEEDS_EXPLANATION)
    body = problem(await world.post(an_explanation(1), path="explanations"), 409)
    assert body["findings"][0]["rule"] == "door.not_newest_version"
    problem(await world.post(an_explanation(form=" "), path="explanations"), 422)


@pytest.mark.parametrize("name", ["unit", "document_number"])
async def test_control_characters_in_the_address_are_the_senders_fault(world: World, name: str) -> None:
    problem(await world.post(params={name: "SO-A\x00"}), 422)
    async with world.client() as client:
        problem(await client.get("/v1/deliveries", params={"form": "\x00"}), 422)


@pytest.mark.parametrize("field", ["form", "document_number"])
async def test_control_characters_in_codes_never_reach_the_database(world: World, field: str) -> None:
    problem(await world.post(a_package(**{field: "1\x00"})), 422)


class Dripping:
    """A body that never ends: counts how much of it was asked for."""

    def __init__(self, chunk_bytes: int) -> None:
        self.chunk = b" " * chunk_bytes
        self.sent = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.sent += len(self.chunk)
            yield self.chunk


async def test_a_body_over_the_limit_is_refused_while_it_streams(world: World) -> None:
    limit = world.state.settings.package_bytes_max
    chunk = 16 * 1024
    body, answers = Dripping(chunk), list[AsgiMessage]()
    chunks = aiter(body)

    async def receive() -> AsgiMessage:
        return {"type": "http.request", "body": await anext(chunks), "more_body": True}

    async def send(message: AsgiMessage) -> None:
        answers.append(message)

    headers = [(b"authorization", b"Bearer unit"), (b"content-type", b"application/json")]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": "/v1/packages", "raw_path": b"/v1/packages", "query_string": b"", "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "root_path": "",
    }  # fmt: skip
    async with asyncio.timeout(10):
        await world.app(scope, receive, send)
    assert answers[0]["status"] == 413
    assert json.loads(answers[1]["body"])["type"] == "urn:lienthong:problem:body_too_large"
    assert body.sent <= limit + 2 * chunk
    assert await world.told() == []


async def test_a_body_announced_as_too_large_is_not_even_begun(world: World) -> None:
    size = world.state.settings.package_bytes_max + 1
    problem(await world.post(content=b" " * size), 413)


async def test_a_body_at_the_limit_is_taken(world: World) -> None:
    body = json.dumps(a_package()).encode()
    full = body + b" " * (world.state.settings.package_bytes_max - len(body))
    assert (await world.post(content=full)).status_code == 202


async def test_without_a_catalogue_the_doors_say_come_back(world: World) -> None:
    world.state.reader.snapshot = None
    response = await world.post()
    problem(response, 503)
    assert int(response.headers["retry-after"]) > 0


async def test_while_deadlines_are_still_being_read_nobody_is_told_that_nothing_is_open(world: World) -> None:
    early = a_package(a_report("2025-06"))
    world.state.deadlines_read = False
    problem(await world.post(early), 503)
    with pytest.raises(UnavailableError):
        await world.publish(a_message(early))
    assert (await world.post()).status_code == 202, "what is known to be open is taken"
    world.state.deadlines_read = True
    problem(await world.post(early), 422)


async def test_what_may_be_sent_is_listed_for_the_unit(world: World) -> None:
    async with world.client() as client:
        deliveries = (await client.get("/v1/deliveries")).json()
        problem(await client.get("/v1/deliveries", params={"unit": OTHER_UNIT}), 403)
    assert [(each["period"], each["status"]) for each in deliveries] == [
        ("2024-06", "estimate"),
        ("2024-Q2", "estimate"),
    ]
    assert deliveries[0]["form"] == FORM
