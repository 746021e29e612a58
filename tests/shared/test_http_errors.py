"""Whatever goes wrong in a request, its sender reads what and whose fault it was, in two languages."""

from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from typing import Any

import httpx
import pytest
import pytest_asyncio
import structlog
from aiokafka.errors import KafkaConnectionError
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy import text

from shared.database import make_engine
from shared.http_errors import install_problems


class Status(StrEnum):
    FINAL = "final"


class Report(BaseModel, extra="forbid"):
    period: str = Field(min_length=4)
    status: Status
    version: int = Field(ge=1)


class Package(BaseModel):
    reports: list[Report]


HIDDEN = "the secret of the connection"


def an_app(on_unavailable: Callable[[], None] = lambda: None) -> FastAPI:
    app = FastAPI()
    install_problems(app, on_unavailable=on_unavailable)

    @app.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError(HIDDEN)

    @app.get("/database")
    async def database() -> None:
        engine = make_engine("postgresql+asyncpg://nobody@127.0.0.1:1/nothing", "test")
        async with engine.connect() as connection:
            await connection.execute(text("select 1"))

    @app.get("/broker")
    async def broker() -> None:
        raise KafkaConnectionError(HIDDEN)

    @app.get("/halfway")
    async def halfway() -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            yield b"half"
            raise ZeroDivisionError

        return StreamingResponse(body())

    @app.post("/packages")
    async def packages(package: Package, page: int = 1) -> Package:
        return package

    return app


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=an_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as made:
        yield made


def the_problem(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["title"] != problem["title_en"]
    assert problem["detail"] != problem["detail_en"]
    assert problem["instance"] == answer.request.url.path
    return problem


async def test_a_fault_of_ours_is_a_500_that_says_so_and_is_logged(client: httpx.AsyncClient) -> None:
    processors = structlog.get_config()["processors"]
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        answer = await client.get("/broken")
    assert processors == structlog.get_config()["processors"]
    problem = the_problem(answer)
    assert answer.status_code == 500
    assert problem["type"] == "urn:lienthong:problem:internal_error"
    assert HIDDEN not in answer.text
    (line,) = lines
    assert line["event"] == "request_failed"
    assert (line["http_method"], line["http_path"]) == ("GET", "/broken")
    assert line["exc_info"].__traceback__ is not None


@pytest.mark.parametrize("path", ["/database", "/broker"])
async def test_a_broken_world_is_a_503_that_says_when_to_come_back(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    problem = the_problem(answer)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert problem["type"] == "urn:lienthong:problem:unavailable"
    assert HIDDEN not in answer.text


async def test_only_what_will_pass_is_counted_as_unavailable() -> None:
    counted: list[None] = []
    transport = httpx.ASGITransport(app=an_app(lambda: counted.append(None)))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        await client.get("/broken")
        assert not counted
        await client.get("/broker")
        assert len(counted) == 1


async def test_half_an_answer_is_never_taken_for_a_whole_one(client: httpx.AsyncClient) -> None:
    with pytest.raises(ZeroDivisionError):
        await client.get("/halfway")


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ({"period": "2024-06", "status": "final"}, "nội dung `reports.0.version`: thiếu"),
        ({"period": "2024-06", "status": "maybe", "version": 1}, "`reports.0.status`: không thuộc các giá trị"),
        ({"period": "2024-06", "status": "final", "version": 0}, "`reports.0.version`: nằm ngoài khoảng"),
        ({"period": "2024-06", "status": "final", "version": "x"}, "`reports.0.version`: sai kiểu dữ liệu"),
        ({"period": [], "status": "final", "version": 1}, "`reports.0.period`: sai kiểu dữ liệu"),
        ({"period": "24", "status": "final", "version": 1}, "`reports.0.period`: có độ dài không được phép"),
        ({"period": "2024-06", "status": "final", "version": 1, "x": 1}, "`reports.0.x`: không được phép có"),
    ],
)
async def test_the_field_that_is_wrong_is_named_in_vietnamese(
    client: httpx.AsyncClient, report: dict[str, object], said: str
) -> None:
    answer = await client.post("/packages", json={"reports": [report]})
    problem = the_problem(answer)
    assert answer.status_code == 422
    assert said in problem["detail"]
    assert "should" not in problem["detail"]
    assert "required" not in problem["detail"]
    assert problem["detail_en"].startswith("body.reports.0.")


async def test_the_place_of_a_field_is_named_too_and_a_long_list_ends(client: httpx.AsyncClient) -> None:
    problem = the_problem(await client.post("/packages?page=x", json={"reports": [{}] * 30}))
    assert problem["detail"].startswith("tham số `page`: sai kiểu dữ liệu; nội dung `reports.0.period`: thiếu; ")
    assert problem["detail"].endswith("; và 71 chỗ khác")
    assert problem["detail_en"].endswith("; and 71 more")
    problem = the_problem(await client.post("/packages", content=b"{", headers={"content-type": "application/json"}))
    assert "không phải JSON hợp lệ" in problem["detail"]


async def test_an_address_or_a_method_that_does_not_exist_is_a_problem_too(client: httpx.AsyncClient) -> None:
    assert the_problem(await client.get("/nowhere"))["detail_en"] == "Not Found"
    answer = await client.get("/packages")
    the_problem(answer)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
