"""The run's end: what was planned and what became of it, in Markdown that a person can read."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, cast

from moodle_coupling.contract.markdown import code as as_code
from moodle_coupling.contract.markdown import plain
from moodle_coupling.hooks.moodle.probes import unseen_field
from moodle_coupling.matching.facts import are_mismatches
from moodle_coupling.matching.frames import WRITING_ACTIONS, Action
from moodle_coupling.provisioning.load.outcomes import NOT_KEPT, NOT_WHOLE, WITHHELD, OutcomeStatus, count_statuses
from moodle_coupling.words.meanings import how_to_mend, in_words
from moodle_coupling.words.sentence import ENGLISH, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

_DONE_WORDS: Final = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.LINK: "linked",
    Action.SUSPEND: "suspended",
    Action.REACTIVATE: "reactivated",
}
_LEAST: Final = 1
"""So many may always go wrong in a run for everyone."""
_EXAMPLES: Final = 5
_MOST_IDS: Final = 50
_SPOILT: Final = (NOT_KEPT, WITHHELD)
_NOT_DONE: Final = (OutcomeStatus.REJECTED, OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN)


def exceeds_tolerance(outcomes: pd.DataFrame, limit: float, in_scope: int = 0) -> bool:
    """Tell whether so many of the rows that were to be written were not that the run is a failure.

    Counted are failed, unknown and refused by Moodle, and those of whom a profile field was not kept; rows that the plan itself
    rejects are not: those are the source's. More than ``limit`` (0 to 1) of the ``in_scope`` persons of the run is too much,
    however few there were to write: on a quiet night whom Moodle refuses every time may be the only one. One alone is never too
    much there, unless ``limit`` is 0. ``in_scope`` 0 stands for a run for some persons only: the share is of those to write, and
    one alone may be too much.
    """
    to_write = outcomes[outcomes["action"].isin([str(action) for action in WRITING_ACTIONS])]
    missed = int(
        (to_write["status"].isin([str(status) for status in _NOT_DONE]) | to_write["code"].isin(_SPOILT)).sum()
    )
    allowed = limit * max(in_scope, len(to_write))
    return missed > (max(allowed, _LEAST) if in_scope and limit else allowed)


def summary(  # noqa: PLR0913 - each is the run's own, and given by name
    plan: pd.DataFrame,
    outcomes: pd.DataFrame | None,
    left_out: pd.DataFrame | None = None,
    *,
    title: str = "",
    unseen: Sequence[str] = (),
    stopped: str = "",
    named: bool = True,
    warnings: Sequence[str] = (),
) -> str:
    """Give the summary of a run in Markdown; without ``outcomes`` (a dry run) of the plan alone.

    ``left_out`` are the lines of the source that were no person (``line``, ``message``, which names the line). ``unseen`` are fields
    that the service user may not see, ``stopped`` says why the load stopped itself, of nobody in particular. Without ``named`` it holds ids and
    line numbers only, no name, address or other value: for places with readers and a lifetime that are not ours, such
    as Airflow's log and XCom. ``warnings`` are what the source gave to think about, without names (``Extract.warnings``).
    """
    parts = [f"# {plain(title or 'Moodle')}: {'plan (nothing was written)' if outcomes is None else 'outcome'}", ""]
    parts += [f"**{plain(ENGLISH.say(stopped))}**", ""] if stopped else []
    parts += _counts(plan, outcomes)
    parts += _reasons(plan if outcomes is None else _with_plan_reasons(plan, outcomes), named=named)
    parts += _mismatches(plan, named=named)
    parts += _drift(plan)
    parts += _unseen(unseen)
    if left_out is not None and len(left_out):
        parts += ["", f"## Lines of the source that were left out: {len(left_out)}", ""]
        lines = zip(left_out["line"], left_out["message"], strict=True)
        parts += _some(plain(ENGLISH.say(message)) if named else f"line {line}" for line, message in lines)
    if warnings:
        parts += [
            "",
            "## What the source gives to think about",
            "",
            *(f"* {plain(ENGLISH.say(text))}" for text in warnings),
        ]
    return "\n".join(parts) + "\n"


def _counts(plan: pd.DataFrame, outcomes: pd.DataFrame | None) -> list[str]:
    actions = plan["action"].value_counts()
    rows = [f"{len(plan)} rows in the plan.", "", "| | planned | done |", "|---|---:|---:|"]
    done = None if outcomes is None else outcomes.loc[outcomes["status"] == OutcomeStatus.DONE, "action"].value_counts()
    for action, word in _DONE_WORDS.items():
        count = int(actions.get(action, 0))
        if count:
            rows.append(f"| {word} | {count} | {'–' if done is None else int(done.get(action, 0))} |")
    mismatches = int(((plan["action"] == Action.NONE) & _open(plan)).sum())
    unchanged = int(actions.get(Action.NONE, 0)) - mismatches
    rows.append(f"| unchanged | {unchanged} | |")
    rows.append(f"| waiting for a decision | {mismatches} | |")
    rows.append(f"| rejected before sending | {int(actions.get(Action.REJECT, 0))} | |")
    if outcomes is not None:
        statuses = count_statuses(outcomes)
        rows += ["", "Outcomes: " + ", ".join(f"{count} {status}" for status, count in statuses.items() if count) + "."]
        already = int((outcomes["code"] == "already_there").sum())
        if already:
            rows.append(f"{already} of those done were in Moodle already when the load began.")
    return rows


def _with_plan_reasons(plan: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Give the outcomes that went wrong, with the names of the persons."""
    names = plan[["row", "firstname", "lastname", "account_id"]].assign(key=_key(plan)).drop_duplicates("key")
    bad = outcomes[outcomes["status"].isin([str(status) for status in _NOT_DONE]) | outcomes["code"].isin(NOT_WHOLE)]
    bad = bad.assign(key=_key)
    return bad.merge(names[["key", "firstname", "lastname"]], on="key", how="left")


def _key(frame: pd.DataFrame) -> pd.Series[str]:
    return frame["row"].astype("string").fillna("account " + frame["account_id"].astype("string"))


def _reasons(frame: pd.DataFrame, *, named: bool) -> list[str]:
    if "code" not in frame.columns:
        frame = _rejects_of_plan(frame)
    if frame.empty:
        return []
    parts = ["", "## Rejected or not done, and how to mend it"]
    for group in _largest_first(frame, ["status", "code"]):
        status, code = str(group["status"].iloc[0]), str(group["code"].iloc[0])
        parts += [
            "",
            f"### {plain(in_words(ENGLISH, code))} ({as_code(code)}, {status}): {len(group)}",
            "",
            plain(how_to_mend(ENGLISH, code, status)),
            "",
        ]
        parts += _people(group, "message", named=named)
    return parts


def _rejects_of_plan(plan: pd.DataFrame) -> pd.DataFrame:
    from moodle_coupling.provisioning.load.rows import sort_rows

    rejects = plan[plan["action"] == Action.REJECT].reset_index(drop=True)
    settled = {outcome.index: outcome for outcome in sort_rows(rejects).settled}
    return rejects.assign(
        status=str(OutcomeStatus.REJECTED),
        code=[settled[index].code for index in range(len(rejects))],
        message=[settled[index].message for index in range(len(rejects))],
    )


def _open(plan: pd.DataFrame) -> pd.Series[bool]:
    return are_mismatches(plan) & plan["decision"].isna()


def _mismatches(plan: pd.DataFrame, *, named: bool) -> list[str]:
    found = plan[_open(plan)]
    if found.empty:
        return []
    parts = ["", "## Mismatches: a person must judge"]
    for group in _largest_first(found, ["verdict"]):
        verdict = str(group["verdict"].iloc[0])
        parts += ["", f"### {plain(in_words(ENGLISH, verdict))} ({as_code(verdict)}): {len(group)}", ""]
        parts += _people(group, "evidence", named=named)
    return parts


def _drift(plan: pd.DataFrame) -> list[str]:
    """Say what was changed by hand in Moodle: how often in which field, and whether the plan puts it right."""
    found: Counter[tuple[str, str]] = Counter()
    for text in plan.loc[plan["drift"] != "{}", "drift"]:
        found.update((field, str(what)) for field, (_, _, what) in json.loads(text).items())
    if not found:
        return []
    rows = sorted({field for field, _ in found})
    lines = [f"| {plain(field)} | {found[field, 'repaired']} | {found[field, 'reported']} |" for field in rows]
    head = ["", "## Changed by hand in Moodle", "", "| field | put right | left as it is |", "|---|---:|---:|"]
    return [*head, *lines]


def _unseen(fields: Sequence[str]) -> list[str]:
    if not fields:
        return []
    return [
        "",
        "## Fields that the service user may not see",
        "",
        *(f"* {in_turn(unseen_field(one))}" for one in fields),
    ]


def _people(group: pd.DataFrame, why: str, *, named: bool) -> list[str]:
    """List persons, one a line with the reason; or their ids alone, on one line."""
    rows = _rows(group)
    if named:
        return _some(f"{_who(row)}: {plain(ENGLISH.say(row[why]))}" if row[why] else _who(row) for row in rows)
    ids = [plain(_id(row)) for row in rows[:_MOST_IDS]]
    more = len(rows) - len(ids)
    return ["Persons: " + ", ".join(ids) + (f" and {more} more, in the outcomes file." if more > 0 else "")]


def _largest_first(frame: pd.DataFrame, by: list[str]) -> list[pd.DataFrame]:
    groups = [group for _, group in frame.groupby(by, sort=True)]
    return sorted(groups, key=len, reverse=True)


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", frame.to_dict("records"))


def _who(row: dict[str, Any]) -> str:
    name = " ".join(str(row.get(part) or "") for part in ("firstname", "lastname")).strip()
    return plain(f"{name} ({_id(row)})" if name else _id(row))


def _id(row: dict[str, Any]) -> str:
    return str(
        row.get("person_id") or row.get("extern_id") or row.get("idnumber") or f"account {row.get('account_id')}"
    )


def _some(lines: Iterable[str]) -> list[str]:
    listed = [f"* {line}" for line in lines]
    more = len(listed) - _EXAMPLES
    return listed if more <= 0 else [*listed[:_EXAMPLES], f"* … and {more} more, in the outcomes file."]
