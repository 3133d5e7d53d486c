"""Writes what is made from the code: the mapping file's JSON Schema, and tables in docs/mapping.md and README.md."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "plugins"))

from moodle_coupling.contract.columns import PERSON_COLUMNS  # noqa: E402
from moodle_coupling.contract.fields import FIELDS, Seen  # noqa: E402
from moodle_coupling.mapping.file import json_schema, write_schema  # noqa: E402
from moodle_coupling.metrics import METRICS  # noqa: E402
from moodle_coupling.people.rules import RULES, Blocks  # noqa: E402
from moodle_coupling.provider_info import get_provider_info  # noqa: E402
from moodle_coupling.words.meanings import in_words  # noqa: E402
from moodle_coupling.words.sentence import ENGLISH, Texts, entries  # noqa: E402

SCHEMA: Final = ROOT / "include" / "mappings" / "mapping.schema.json"
DOCS: Final = ROOT / "docs" / "mapping.md"
README: Final = ROOT / "README.md"
FIGURES: Final = ROOT / "docs" / "metrics.md"
DUTCH: Final = Texts("nl")


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


def fields() -> str:
    """Give the table of Moodle's account fields."""
    seen = {Seen.ALWAYS: "always", Seen.NOT_HIDDEN: "unless hiddenuserfields names it"}
    rows = "\n".join(
        f"| `{field.name}` | {ENGLISH(f'field.{field.name}')} | {DUTCH(f'field.{field.name}')} | {field.width or ''} | {field.takes} "
        f"| {'yes' if field.emptied else 'no'} | {seen.get(field.seen, f'with {field.seen}')} |"
        for field in FIELDS
    )
    head = "| field | English | Dutch | characters | takes | an empty cell empties it | shown to the token |"
    return f"{head}\n|---|---|---|---|---|---|---|\n{rows}\n"


def connection() -> str:
    """Give the table of the connection form's advanced fields."""
    fields = get_provider_info()["connection-types"][0]["conn-fields"]  # type: ignore[index]
    rows = "\n".join(
        f"| `{name}` | {_cell(field['description'])} | {_default(field['schema'])} |" for name, field in fields.items()
    )
    return f"| field | meaning | when not said |\n|---|---|---|\n{rows}\n"


def metrics() -> str:
    """Give the table of what tasks tell Airflow's statistics."""
    rows = "\n".join(
        f"| `{one.name}` | {one.kind} | {one.unit} | {', '.join(f'`{tag}`' for tag in one.tags)} | {one.meaning} |"
        for one in METRICS
    )
    return f"| name | kind | unit | tags | meaning |\n|---|---|---|---|---|\n{rows}\n"


def rules() -> str:
    """Give the table of the rules that persons must pass."""
    stops = {Blocks.ALL: "the person", Blocks.CREATE: "a new account", Blocks.NOTHING: "–"}
    rows = "\n".join(
        f"| `{rule.code}` | {_text(ENGLISH(f'rule.{rule.code}', value='…', field='the field', length='N', limit=rule.limit))} "
        f"| {stops[rule.blocks]} | {_text(ENGLISH(f'rule.{rule.code}.mend', value='…'))} |"
        for rule in RULES
    )
    return f"| code | meaning | stops | how to mend it |\n|---|---|---|---|\n{rows}\n"


def outcomes() -> str:
    """Give the table of what else can keep a person out."""
    codes = sorted(
        name.removeprefix("code.").removesuffix(".mend")
        for name in entries("en")
        if name.startswith("code.") and name.endswith(".mend")
    )
    rows = "\n".join(
        f"| `{code}` | {in_words(ENGLISH, code)} | {_text(ENGLISH(f'code.{code}.mend'))} |" for code in codes
    )
    return f"| code | meaning | how to mend it |\n|---|---|---|\n{rows}\n"


def with_reference(text: str) -> str:
    """Give a page with the tables between its marks renewed."""
    for name, table in TABLES.items():
        start, end = f"<!-- {name}: made by scripts/make_docs.py -->\n", f"<!-- end of {name} -->\n"
        before, found, rest = text.partition(start)
        if not found:
            continue
        _, also_found, after = rest.partition(end)
        if not also_found:
            msg = f"the mark at the end of '{name}' is gone"
            raise SystemExit(msg)
        text = f"{before}{start}{table()}{end}{after}"
    return text


TABLES: Final = {
    "keys": reference,
    "fields": fields,
    "columns": columns,
    "connection": connection,
    "rules": rules,
    "outcomes": outcomes,
    "metrics": metrics,
}


def _rows(schema: dict[str, Any], part: dict[str, Any], prefix: str) -> Iterator[str]:
    required = part.get("required", ())
    # Of keys that come in kinds, such as a source's, the kind comes first.
    for name, raw in sorted(part["properties"].items(), key=lambda item: item[0] != "type"):
        key = f"{prefix}{name}"
        spec = _resolved(schema, raw)
        default = "**must be said**" if name in required else _default(spec)
        yield f"| `{key}` | {_takes(schema, spec)} | {default} | {_cell(spec.get('description', '')).replace('<', '&lt;')} |"
        kinds = [each for option in spec.get("anyOf", ()) if "properties" in (each := _resolved(schema, option))]
        if len(kinds) == 1 and not any(
            "enum" in option for option in spec["anyOf"]
        ):  # but for limits, which may be 'off'
            yield from _rows(schema, kinds[0], f"{key}.")
            continue
        for each in kinds if len(kinds) > 1 else [spec]:
            inner, step = _inner(schema, each)
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
        takes = (_takes(schema, _resolved(schema, each)) for each in spec["anyOf"] if each.get("type") != "null")
        return ", ".join(dict.fromkeys(takes))
    if "const" in spec:
        return f"`{spec['const']}`"
    if "enum" in spec:
        return ", ".join(f"`{_cell(each)}`" for each in spec["enum"] if isinstance(each, str) and each != "\t")
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


def _text(text: str) -> str:
    return _cell(text.replace("<", "&lt;"))


def main() -> None:
    """Write them all."""
    write_schema(SCHEMA)
    for page in (DOCS, README, FIGURES):
        page.write_text(with_reference(page.read_text("utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
