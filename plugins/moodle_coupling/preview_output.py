"""A plan as a table for people, or as CSV, JSON lines or Parquet for programs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final, TextIO

from moodle_coupling.contract.safe_text import guarded, guarded_json
from moodle_coupling.contract.verdicts import MISMATCHES
from moodle_coupling.errors import InputError
from moodle_coupling.matching.frames import Action
from moodle_coupling.words.sentence import ENGLISH, Sentence

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

    from moodle_coupling.words.sentence import Texts


JSON_KEYS: Final = (
    "person_id",
    "extern_id",
    "idnumber",
    "account_id",
    "verdict",
    "action",
    "username",
    "firstname",
    "lastname",
    "email",
    "changes",
    "reasons",
)
ACCESS: Final = "access"
"""Key and column that follow where the mapping gives access."""
_JSON: Final = frozenset({"changes", "reasons", "other_accounts", "drift", ACCESS})
SHOWN_ROWS: Final = 200
_WIDTH: Final = 200
_STYLES: Final = {
    Action.CREATE: "green",
    Action.UPDATE: "cyan",
    Action.LINK: "cyan",
    Action.REACTIVATE: "cyan",
    Action.SUSPEND: "magenta",
    Action.REJECT: "red",
}


def write_plan(plan: pd.DataFrame, format_: str, output: Path | None, texts: Texts = ENGLISH) -> None:
    """Write the plan in that format to a file or, without one, to stdout; raises InputError when it cannot."""
    if output is None:
        _write_text(plan, format_, sys.stdout, texts)
        return
    try:
        # Persons stand in it: a new file is for its maker only, whatever the umask.
        output.touch(mode=0o600)
        if format_ == "parquet":
            plan.to_parquet(output, index=False)
        else:
            with output.open("w", encoding="utf-8", newline="") as stream:
                _write_text(plan, format_, stream, texts)
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(Sentence("preview.not_written", file=str(output), why=why)) from error
    print(texts.say(Sentence("preview.written", n=len(plan), file=str(output))), file=sys.stderr)  # noqa: T201
    for line in summary(plan):
        print(texts.say(line), file=sys.stderr)  # noqa: T201


def summary(plan: pd.DataFrame) -> list[Sentence]:
    """Give the counts by action and by verdict, in a line each."""
    actions = plan["action"].value_counts(sort=False)
    verdicts = plan["verdict"].value_counts()
    mismatches = int(plan["verdict"].isin(MISMATCHES).sum())
    none = Sentence("preview.none")
    by_action = [f"{actions[name]} {name}" for name in Action if name in actions]
    by_verdict = [
        Sentence("report.number_of", number=int(count), what=str(name) or Sentence("approval.unmatched"))
        for name, count in verdicts.items()
    ]
    return [
        Sentence("preview.rows", number=len(plan)),
        Sentence("preview.actions", counts=by_action or [none]),
        Sentence("preview.verdicts", counts=by_verdict or [none]),
        Sentence("preview.mismatches", number=mismatches),
    ]


def _write_text(plan: pd.DataFrame, format_: str, stream: TextIO, texts: Texts) -> None:
    if format_ == "csv":
        _for_spreadsheets(plan).to_csv(stream, index=False)
    elif format_ == "json":
        stream.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in json_records(plan))
    else:
        _write_table(plan, stream, texts)


def _for_spreadsheets(plan: pd.DataFrame) -> pd.DataFrame:
    """Give the plan with texts that no spreadsheet takes for a formula; JSON stays JSON and means the same."""
    guards = {name: guarded_json if name in _JSON else guarded for name in plan.columns if plan[name].dtype == "str"}
    return plan.assign(**{name: plan[name].map(guard, na_action="ignore") for name, guard in guards.items()})


def json_records(plan: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Give the plan's rows as JSON objects with exactly JSON_KEYS, and ACCESS where there is such a column.

    Absent text is '', absent ids and verdicts null.
    """
    has_account = plan["account_id"].notna()
    keys = (*JSON_KEYS, ACCESS) if ACCESS in plan else JSON_KEYS
    for at, values in zip(has_account, zip(*(plan[name] for name in keys), strict=True), strict=True):
        record = dict(zip(keys, values, strict=True))
        record["account_id"] = int(record["account_id"]) if at else None
        record["verdict"] = record["verdict"] or None
        record["changes"] = json.loads(record["changes"])
        record["reasons"] = json.loads(record["reasons"])
        if ACCESS in record:
            record[ACCESS] = json.loads(record[ACCESS])
        yield record


def _write_table(plan: pd.DataFrame, stream: TextIO, texts: Texts) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = stream.isatty()
    console = Console(file=stream, width=None if terminal else _WIDTH, highlight=False)
    table = Table(show_lines=False, pad_edge=False)
    columns = ["person", "idnumber", "account", "verdict", "action", "username", "name", "changes", "why"]
    for column in [*columns, ACCESS] if ACCESS in plan else columns:
        table.add_column(texts.say(Sentence(f"preview.column.{column}")), overflow="fold")
    for record in plan.head(SHOWN_ROWS).to_dict("records"):
        cells = [Text(_printable(cell)) for cell in (*_cells(record), *_access_cell(record, texts))]
        table.add_row(*cells, style=_STYLES.get(Action(record["action"]), ""))
    console.print(table)
    if len(plan) > SHOWN_ROWS:
        console.print(texts.say(Sentence("preview.more", n=len(plan) - SHOWN_ROWS)), markup=False)
    for line in summary(plan):
        console.print(texts.say(line), markup=False, soft_wrap=True)


def _cells(record: dict[Any, Any]) -> list[str]:
    account_id = record["account_id"]
    changes = json.loads(record["changes"])
    new = record["action"] == Action.CREATE
    shown = [
        f"{name}: {_value(after)}" if new else f"{name}: {_value(before)} → {_value(after)}"
        for name, (before, after) in changes.items()
    ]
    reasons = [reason["message"] for reason in json.loads(record["reasons"])]
    return [
        record["person_id"] or record["extern_id"],
        record["idnumber"],
        str(account_id) if isinstance(account_id, int) else "",
        record["verdict"] or "–",
        record["action"],
        record["username"],
        f"{record['firstname']} {record['lastname']}".strip(),
        "\n".join(shown),
        "\n".join(reasons) or record["evidence"],
    ]


def _access_cell(record: dict[Any, Any], texts: Texts) -> Iterator[str]:
    """Give the cohorts and courses of a person, each with its window, and what is not possible and why; no cell without access."""
    if ACCESS in record:
        yield "\n".join(texts.say(_said_of_access(one)) for one in json.loads(record[ACCESS]))


def _said_of_access(one: dict[str, Any]) -> Sentence:
    told = {"kind": Sentence(f"access.kind.{one['kind']}"), "target": one["target"]}
    if one["code"]:
        return Sentence("explain.access.not", **told, why=Sentence(f"access.why.{one['code']}", value=one["value"]))
    if one["from"] or one["until"]:
        return Sentence("preview.access.window", **told, begins=one["from"] or "…", ends=one["until"] or "…")
    return Sentence("explain.access.belongs", **told)


def _value(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else json.dumps(value)


def _printable(text: str) -> str:
    """Without control characters: a name from a file must not drive the terminal."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)
