"""A stranger who has nothing but the integrator guide gets a verdict through each door.

The guide's own code blocks are run, as they stand there, in a folder that holds `.lienthong`.
"""

import asyncio
import json
import os
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded.stack import Stack

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "agency.md"
BLOCK = re.compile(
    r"^## (?P<section>\d+)\.|^```(?P<language>bash|python)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
PYTHON_FILE = re.compile(r"# (\w+\.py)\b")
MARK = "=== section"
HTTP, EXCEL, KAFKA, EXPLAINED = 3, 4, 5, 6


def written_out(guide: str, folder: Path) -> str:
    """Write the Python files of the guide, and return its commands as one script that marks the sections."""
    script = ["set -u"]
    for block in BLOCK.finditer(guide):
        if block["section"]:
            script.append(f"echo; echo '{MARK} {block['section']}'")
        elif block["language"] == "bash":
            script.append(block["code"])
        else:
            name = PYTHON_FILE.match(block["code"])
            assert name, "each Python block of the guide names its file in its first line"
            (folder / name[1]).write_text(block["code"], "utf-8")
    return "\n".join(script)


async def run(script: str, folder: Path) -> dict[int, str]:
    """Run the commands; return what each section printed."""
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # python3 with the packages it names
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        script,
        cwd=folder,
        env={"PATH": tools, "HOME": str(folder), "LANG": "C.UTF-8"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    sections: defaultdict[int, str] = defaultdict(str)
    section = 0
    for line in printed.decode().splitlines():
        if line.startswith(MARK):
            section = int(line.removeprefix(MARK))
        else:
            sections[section] += line + "\n"
    return sections


def documents(text: str) -> list[dict[str, Any]]:
    """Return the JSON objects in what was printed, in order."""
    decoder, found, position = json.JSONDecoder(), [], 0
    while (position := text.find("{", position)) >= 0:
        try:
            document, position = decoder.raw_decode(text, position)
        except ValueError:
            position += 1
            continue
        found.append(document)
    return found


@pytest.mark.timeout(240)
async def test_the_guide_alone_leads_to_a_verdict_at_each_door(own_folder: Path) -> None:
    script = written_out(GUIDE.read_text("utf-8"), own_folder)
    async with Stack(own_folder / ".lienthong"):
        printed = await run(script, own_folder)
    told = {section: documents(text) for section, text in printed.items()}

    received, judged, rejected = told[HTTP]
    assert (received["state"], judged["state"], judged["verdict"]) == ("received", "judged", "accepted")
    assert rejected["status"] == 422
    assert {"door.not_a_number", "door.unknown_code"} <= {each["rule"] for each in rejected["findings"]}

    (filled,) = told[EXCEL]
    assert (filled["channel"], filled["verdict"]) == ("http_excel", "accepted")

    receipt, verdict = told[KAFKA]
    assert [each["version"] for each in receipt["submissions"]] == [3]
    assert (verdict["verdict"], verdict["package_id"]) == ("accepted", receipt["package_id"])

    _, surprise, explained = told[EXPLAINED]
    assert surprise["verdict"] == "needs_explanation"
    assert explained["verdict"] == "accepted_with_warnings"
    assert explained["submissions"][0]["judgement"] == 2
