"""A plan as a table for people, or as CSV, JSON lines or Parquet for programs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final, TextIO

from moodle_coupling.contract.spreadsheet import guarded, guarded_json
from moodle_coupling.contract.verdicts import MISMATCHES
from moodle_coupling.errors import InputError
from moodle_coupling.matching.frames import Action

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd


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
_JSON: Final = frozenset({"changes", "reasons", "other_accounts", "drift"})
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


def write_plan(plan: pd.DataFrame, format_: str, output: Path | None) -> None:
    """Write the plan in that format to a file or, without one, to stdout; raises InputError when it cannot."""
    if output is None:
        _write_text(plan, format_, sys.stdout)
        return
    try:
        # Persons stand in it: a new file is for its maker only, whatever the umask.
        output.touch(mode=0o600)
        if format_ == "parquet":
            plan.to_parquet(output, index=False)
        else:
            with output.open("w", encoding="utf-8", newline="") as stream:
                _write_text(plan, format_, stream)
    except OSError as error:
        raise InputError(f"The plan cannot be written to {output}: {error.strerror or error}.") from error
    print(f"{len(plan)} rows written to {output}.", file=sys.stderr)  # noqa: T201
    for line in summary(plan):
        print(line, file=sys.stderr)  # noqa: T201


def summary(plan: pd.DataFrame) -> list[str]:
    """Give the counts by action and by verdict, in a line each."""
    actions = plan["action"].value_counts(sort=False)
    verdicts = plan["verdict"].replace("", "rejected before matching").value_counts()
    mismatches = int(plan["verdict"].isin(MISMATCHES).sum())
    return [
        f"Rows: {len(plan)}",
        "Actions: " + (", ".join(f"{actions[name]} {name}" for name in Action if name in actions) or "none at all"),
        "Verdicts: " + (", ".join(f"{count} {name}" for name, count in verdicts.items()) or "none at all"),
        f"For a human to judge: {mismatches}",
    ]


def _write_text(plan: pd.DataFrame, format_: str, stream: TextIO) -> None:
    if format_ == "csv":
        _for_spreadsheets(plan).to_csv(stream, index=False)
    elif format_ == "json":
        stream.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in json_records(plan))
    else:
        _write_table(plan, stream)


def _for_spreadsheets(plan: pd.DataFrame) -> pd.DataFrame:
    """Give the plan with texts that no spreadsheet takes for a formula; JSON stays JSON and means the same."""
    guards = {name: guarded_json if name in _JSON else guarded for name in plan.columns if plan[name].dtype == "str"}
    return plan.assign(**{name: plan[name].map(guard, na_action="ignore") for name, guard in guards.items()})


def json_records(plan: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Give the plan's rows as JSON objects with exactly JSON_KEYS; absent text is '', absent ids and verdicts null."""
    has_account = plan["account_id"].notna()
    for at, values in zip(has_account, zip(*(plan[name] for name in JSON_KEYS), strict=True), strict=True):
        record = dict(zip(JSON_KEYS, values, strict=True))
        record["account_id"] = int(record["account_id"]) if at else None
        record["verdict"] = record["verdict"] or None
        record["changes"] = json.loads(record["changes"])
        record["reasons"] = json.loads(record["reasons"])
        yield record


def _write_table(plan: pd.DataFrame, stream: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = stream.isatty()
    console = Console(file=stream, width=None if terminal else _WIDTH, highlight=False)
    table = Table(show_lines=False, pad_edge=False)
    for heading in ("Person", "Idnumber", "Account", "Verdict", "Action", "Username", "Name", "Changes", "Why"):
        table.add_column(heading, overflow="fold")
    for record in plan.head(SHOWN_ROWS).to_dict("records"):
        cells = [Text(_printable(cell)) for cell in _cells(record)]
        table.add_row(*cells, style=_STYLES.get(Action(record["action"]), ""))
    console.print(table)
    if len(plan) > SHOWN_ROWS:
        console.print(f"… and {len(plan) - SHOWN_ROWS} rows more: --format csv --output FILE shows them all.")
    for line in summary(plan):
        console.print(line, markup=False, soft_wrap=True)


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


def _value(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else json.dumps(value)


def _printable(text: str) -> str:
    """Without control characters: a name from a file must not drive the terminal."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)
