"""Writes what is made from the mapping file's model: its JSON Schema and the reference in docs/mapping.md."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "plugins"))

from moodle_coupling.mapping_file import json_schema, write_schema  # noqa: E402
from moodle_coupling.people.columns import PERSON_COLUMNS  # noqa: E402

SCHEMA: Final = ROOT / "include" / "mappings" / "mapping.schema.json"
DOCS: Final = ROOT / "docs" / "mapping.md"


def reference() -> str:
    """Give the table of every key as Markdown."""
    schema = json_schema()
    rows = "\n".join(_rows(schema, schema, ""))
    return f"| key | takes | when not said | meaning |\n|---|---|---|---|\n{rows}\n"


def columns() -> str:
    """Give the table of the columns that a mapping can name, with the headings that mean them."""
    rows = "\n".join(
        f"| `{column.name}` | {column.meaning} | {', '.join(column.headers)} |"
        for column in PERSON_COLUMNS
        if column.name != "row"
    )
    return f"| column | meaning | headings |\n|---|---|---|\n{rows}\n"


def with_reference(text: str) -> str:
    """Give the page with the tables between its marks renewed."""
    for name, table in (("keys", reference()), ("columns", columns())):
        start, end = f"<!-- {name}: made by scripts/make_docs.py -->\n", f"<!-- end of {name} -->\n"
        before, found, rest = text.partition(start)
        _, also_found, after = rest.partition(end)
        if not (found and also_found):
            msg = f"{DOCS}: the marks around '{name}' are gone"
            raise SystemExit(msg)
        text = f"{before}{start}{table}{end}{after}"
    return text


def _rows(schema: dict[str, Any], part: dict[str, Any], prefix: str) -> Iterator[str]:
    required = part.get("required", ())
    for name, raw in part["properties"].items():
        key = f"{prefix}{name}"
        spec = _resolved(schema, raw)
        default = "**must be said**" if name in required else _default(spec)
        yield f"| `{key}` | {_takes(schema, spec)} | {default} | {_cell(spec.get('description', '')).replace('<', '&lt;')} |"
        inner, step = _inner(schema, spec)
        if inner:
            yield from _rows(schema, inner, f"{key}{step}")


def _resolved(schema: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in spec:
        return schema["$defs"][spec["$ref"].rpartition("/")[2]] | spec
    return spec


def _inner(schema: dict[str, Any], spec: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """Give the object behind a key, if any, and what stands between the key and the object's own keys."""
    if "$ref" in spec:
        return (spec, ".") if "properties" in spec else (None, "")
    if spec.get("type") == "array":
        item = _resolved(schema, spec["items"])
        return (item, "[].") if "properties" in item else (None, "")
    for value in (spec.get("additionalProperties"), *spec.get("properties", {}).values()):
        if isinstance(value, dict):
            item = _resolved(schema, value)
            return (item, ".<name>.") if "properties" in item else (None, "")
    return None, ""


def _takes(schema: dict[str, Any], spec: dict[str, Any]) -> str:
    if "anyOf" in spec:
        return ", ".join(
            _takes(schema, _resolved(schema, each)) for each in spec["anyOf"] if each.get("type") != "null"
        )
    if "const" in spec:
        return f"`{spec['const']}`"
    if "enum" in spec:
        return ", ".join(f"`{_cell(each)}`" for each in spec["enum"] if each != "\t")
    if spec["type"] == "array":
        return f"list of {_takes(schema, _resolved(schema, spec['items']))}"
    if spec["type"] == "object":
        names = ", ".join(f"`{name}`" for name in spec.get("properties", ()))
        return "keys" if "$ref" in spec or not names else f"keys out of {names}"
    bounds = [f"{word} {spec[bound]:g}" for bound, word in (("minimum", "from"), ("maximum", "to")) if bound in spec]
    name = {"string": "text", "boolean": "true, false", "integer": "whole number", "number": "number"}[spec["type"]]
    return " ".join([name, *bounds])


def _default(spec: dict[str, Any]) -> str:
    default = spec.get("default")
    if default in (None, "", [], {}):
        return ""
    return f"`{_cell(default if isinstance(default, str) else json.dumps(default))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Write both files."""
    write_schema(SCHEMA)
    DOCS.write_text(with_reference(DOCS.read_text("utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
