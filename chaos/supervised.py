"""`python -m chaos.supervised --data FOLDER`: `lienthong up` with replicas and failpoints; it stays until it is told.

A process of its own, so that the supervisor can be killed as well.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from rich.console import Console

from chaos.failpoints import Failpoints
from chaos.plan import REPLICAS
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.report import ConsoleReport
from deploy.embedded.stack import Stack, Wiring
from deploy.embedded.supervisor import supervise

FAILPOINTS_FOLDER = "failpoints"
FRONTS_FILE = "fronts.json"


def main() -> None:
    """Run the stack of a folder until SIGINT."""
    parser = argparse.ArgumentParser(description="Run a stack whose processes can be broken.")
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    data: Path = options.data
    fronts = data / FRONTS_FILE
    wiring = Wiring(
        replicas=REPLICAS,
        environments=Failpoints(data / FAILPOINTS_FOLDER).environments(),
        fronts=json.loads(fronts.read_text("utf-8")) if fronts.exists() else {},
    )
    report = ConsoleReport(Console())
    stack = Stack(data, wiring=wiring, report=report)
    try:
        asyncio.run(supervise(stack, report))
    except EmbeddedError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
