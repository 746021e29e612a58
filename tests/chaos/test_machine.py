"""The machine itself, at length: hundreds of faults, several seeds, and connections that break as well."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.proxies import HOW_TO_GET_IT, PROGRAM
from tests.parts import make_folder, remove_folder

pytestmark = [pytest.mark.deep, pytest.mark.timeout(3 * 3600)]

GO_MODULE = "github.com/Shopify/toxiproxy/v2/cmd/server@latest"


def chaos(kills: int, seed: int, *options: str) -> None:
    """Run the machine; its output is the test's. What it leaves is removed only when the books balance."""
    folder = make_folder()
    command = [
        sys.executable,
        "-m",
        "chaos",
        "--kills",
        str(kills),
        "--seed",
        str(seed),
        "--data",
        str(folder / "chaos"),
    ]
    code = subprocess.run([*command, *options], check=False).returncode
    assert code == 0, f"seed {seed}: the books do not balance; see {folder}"
    remove_folder(folder)


@pytest.fixture(scope="module")
def toxiproxy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Toxiproxy's program: on the path, named by LIENTHONG_TOXIPROXY, or built here where there is Go."""
    named = os.environ.get("LIENTHONG_TOXIPROXY") or shutil.which(PROGRAM)
    if named is not None:
        return Path(named)
    folder = tmp_path_factory.mktemp("toxiproxy")
    if shutil.which("go") is not None:
        subprocess.run(["go", "install", GO_MODULE], env={**os.environ, "GOBIN": str(folder)}, check=False)
    if not (folder / "server").exists():
        pytest.fail(
            f"{HOW_TO_GET_IT} This test takes it from the path, from LIENTHONG_TOXIPROXY, or builds it with Go."
        )
    return folder / "server"


def test_a_thousand_faults_lose_and_double_nothing() -> None:
    chaos(1000, 1)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_other_seeds_lose_and_double_nothing(seed: int) -> None:
    chaos(200, seed)


@pytest.mark.parametrize("seed", [5, 6])
def test_connections_that_break_lose_and_double_nothing(seed: int, toxiproxy: Path) -> None:
    chaos(200, seed, "--toxiproxy", str(toxiproxy))
