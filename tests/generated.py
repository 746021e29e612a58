"""Files that are made from code: `python -m tests.generated` writes them, `--check` compares them.

- `docs/events/<type>.json`: the JSON Schema of each event type; `docs/events/README.md`: the table of topics.
- `docs/settings.md`: every environment variable with its default and meaning.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic_settings import BaseSettings

from services.catalogue.settings import CatalogueSettings
from services.ingest.settings import IngestSettings
from services.notify.settings import NotifySettings
from services.validate.settings import ValidateSettings
from shared.bus.topics import TOPICS
from shared.settings import CommonSettings

SETTINGS: tuple[tuple[str, type[BaseSettings]], ...] = (
    ("All services", CommonSettings),
    ("catalogue", CatalogueSettings),
    ("ingest", IngestSettings),
    ("validate", ValidateSettings),
    ("notify", NotifySettings),
)
NOTICE = "<!-- Made by `make generate`; do not edit. -->\n"


def event_schemas() -> dict[Path, str]:
    """Return the JSON Schema of each event type's data."""
    files = {}
    for data_type in sorted({kind for topic in TOPICS.rows for kind in topic.types}, key=lambda kind: kind.ce_type):
        schema = data_type.model_json_schema(mode="serialization")
        schema["$id"] = f"urn:lienthong:schema:{data_type.ce_type}"
        text = json.dumps(schema, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
        files[Path("docs/events") / f"{data_type.ce_type}.json"] = text
    return files


def topic_table() -> str:
    """Return the table of topics in Markdown."""
    lines = [
        NOTICE,
        "# Topics and event types\n",
        "CloudEvents 1.0, Kafka protocol binding, binary mode: attributes in `ce_…` headers, the data alone as JSON",
        "body. Each type's JSON Schema lies beside this page. The key is the unit's code unless said otherwise.\n",
        "| topic | partitions | clean-up | kept | key | sole producer | types |",
        "|---|---|---|---|---|---|---|",
    ]
    for topic in TOPICS.rows:
        kept = "for ever" if topic.retention_ms is None else f"{topic.retention_ms // 86_400_000} days"
        types = ", ".join(f"[`{kind.ce_type}`]({kind.ce_type}.json)" for kind in topic.types)
        producer = topic.producer or "that unit"
        key = topic.keyed_by.replace("_", " ")
        lines.append(
            f"| `{topic.name}` | {topic.partitions} | {topic.cleanup} | {kept} | {key} | {producer} | {types} |"
        )
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """Return every setting in Markdown."""
    lines = [NOTICE, "# Settings\n", "Each is an environment variable.\n"]
    for title, settings in SETTINGS:
        prefix = settings.model_config.get("env_prefix", "")
        lines += [f"## {title}\n", "| variable | default | meaning |", "|---|---|---|"]
        for name, field in settings.model_fields.items():
            if field.exclude:
                continue
            default = "" if field.is_required() else f"`{field.get_default(call_default_factory=False)}`"
            lines.append(f"| `{prefix}{name.upper()}` | {default} | {field.description or ''} |")
        lines.append("")
    return "\n".join(lines)


def generated_files() -> Mapping[Path, str]:
    """Return every generated file with its text."""
    return {
        **event_schemas(),
        Path("docs/events/README.md"): topic_table(),
        Path("docs/settings.md"): settings_page(),
    }


def differences(files: Mapping[Path, str]) -> list[Path]:
    """Return the files whose checked-in text is another one, also those that nothing makes any more."""
    stale = set(Path("docs/events").glob("*.json")) - set(files)
    return sorted(
        stale | {path for path, text in files.items() if not path.exists() or path.read_text("utf-8") != text}
    )


def main() -> int:
    """Write the files, or compare them."""
    files = generated_files()
    different = differences(files)
    if "--check" in sys.argv[1:]:
        for path in different:
            print(f"{path} is not what the code says: run `make generate` and look at the difference")
        return 1 if different else 0
    for path in different:
        if path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], "utf-8")
        else:
            path.unlink()
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
