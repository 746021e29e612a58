import subprocess
import sys
from pathlib import Path

import pytest

SEEDS = range(1, 13)


@pytest.mark.deep
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_books_of_the_demo_balance_whatever_is_dealt(own_folder: Path, seed: int) -> None:
    played = subprocess.run(
        [sys.executable, "-m", "demo", "--data", str(own_folder / "demo"), "--seed", str(seed)],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert played.returncode == 0, played.stdout[-6000:] + played.stderr[-2000:]
