"""`lienthong notify upcoming` against a server that answers as the service does."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
from typer.testing import CliRunner

from services.notify.cli import app

ROW = {
    "at": "2024-06-16T08:00:00+07:00",
    "kind": "reminder",
    "delivery_id": "SO-A/001.T%2FBCS-A/2024-06/estimate",
    "step": "reminder:2",
    "due_at": "2024-06-18T23:59:59+07:00",
    "why": {"vi": "Chưa nhận được báo cáo.", "en": "The report has not been received."},
    "contacts": [{"contact_id": "A-1", "name": "Nguyễn Thị A"}],
}


class Answering(BaseHTTPRequestHandler):
    rows: ClassVar[list[dict[str, object]]] = []
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(f"{self.path} {self.headers['Authorization']}")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(self.rows).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
        return


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Path]:
    """The files that a running stack leaves."""
    server = HTTPServer(("127.0.0.1", 0), Answering)
    thread = Thread(target=server.serve_forever)
    thread.start()
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({"units": {}, "roles": {"statistician": "secret"}}))
    addresses = {"notify": f"http://127.0.0.1:{server.server_port}", "tokens": str(tokens)}
    (tmp_path / "addresses.json").write_text(json.dumps(addresses))
    yield tmp_path
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_tells_who_will_be_mailed_and_why(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(Answering, "rows", [ROW])
    result = CliRunner().invoke(app, ["upcoming", "--data", str(stack), "--days", "7"])
    assert result.exit_code == 0, result.output
    for part in ("16/06/2024 08:00", "reminder:2", "Chưa nhận được báo cáo.", "Nguyễn Thị A (A-1)"):
        assert part in result.output
    assert Answering.asked[-1] == "/v1/upcoming?days=7 Bearer secret"


def test_it_says_so_when_nobody_will_be(stack: Path) -> None:
    result = CliRunner().invoke(app, ["upcoming", "--data", str(stack)])
    assert "Nobody will be mailed" in result.output


def test_without_a_running_stack_it_says_what_to_give(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["upcoming", "--data", str(tmp_path)])
    assert result.exit_code == 1
    assert "--url" in result.output


def test_json_is_what_the_service_answers(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Answering, "rows", [ROW])
    result = CliRunner().invoke(app, ["upcoming", "--data", str(stack), "--json"])
    assert json.loads(result.output) == [ROW]
