"""The run's end: what was planned and what became of it, in Markdown that a person can read."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, cast

from moodle_coupling.contract.safe_text import code as as_code
from moodle_coupling.contract.safe_text import plain
from moodle_coupling.hooks.moodle.probes import unseen_field
from moodle_coupling.matching.decisions import are_mismatches
from moodle_coupling.matching.frames import WRITING_ACTIONS, Action
from moodle_coupling.provisioning.load.rows import NOT_KEPT, NOT_WHOLE, WITHHELD, OutcomeStatus, count_statuses
from moodle_coupling.words.meanings import how_to_mend, in_words
from moodle_coupling.words.sentence import ENGLISH, Sentence, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from moodle_coupling.contract.facts import LoadFacts
    from moodle_coupling.words.sentence import Texts

_WRITES: Final = (Action.CREATE, Action.UPDATE, Action.LINK, Action.SUSPEND, Action.REACTIVATE)
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
    cost: LoadFacts | None = None,
    texts: Texts = ENGLISH,
) -> str:
    """Give the summary of a run in Markdown and in ``texts``' language; without ``outcomes`` (a dry run) of the plan alone.

    ``left_out`` are the lines of the source that were no person (``line``, ``message``, which names the line). ``unseen`` are fields
    that the service user may not see, ``stopped`` says why the load stopped itself, of nobody in particular. Without ``named`` it holds ids and
    line numbers only, no name, address or other value: for places with readers and a lifetime that are not ours, such
    as Airflow's log and XCom. ``cost`` is what creating cost in Moodle. ``warnings`` are what the source gave to think about, without names (``Extract.warnings``).
    """
    say = texts.say
    parts = [
        f"# {plain(say(Sentence('report.plan' if outcomes is None else 'report.outcome', title=title or 'Moodle')))}",
        "",
    ]
    parts += [f"**{plain(say(stopped))}**", ""] if stopped else []
    parts += _counts(plan, outcomes, texts)
    if cost is not None and cost.milliseconds is not None:
        took = Sentence("report.create_cost", ms=f"{cost.milliseconds:.0f}", n=cost.created, most=cost.in_flight)
        parts += ["", plain(say(took))]
    parts += _reasons(plan if outcomes is None else _with_plan_reasons(plan, outcomes), texts, named=named)
    parts += _mismatches(plan, texts, named=named)
    parts += _drift(plan, texts)
    if unseen:
        parts += _headed(texts, Sentence("report.unseen"), (f"* {say(in_turn(unseen_field(one)))}" for one in unseen))
    if left_out is not None and len(left_out):
        lines = zip(left_out["line"], left_out["message"], strict=True)
        shown = (plain(say(message if named else Sentence("report.line", line=int(line)))) for line, message in lines)
        parts += _headed(texts, Sentence("report.left_out", n=len(left_out)), _some(shown, texts))
    if warnings:
        parts += _headed(texts, Sentence("report.warnings"), (f"* {plain(say(text))}" for text in warnings))
    return "\n".join(parts) + "\n"


def _headed(texts: Texts, heading: Sentence, lines: Iterable[str]) -> list[str]:
    return ["", f"## {texts.say(heading)}", "", *lines]


def _counts(plan: pd.DataFrame, outcomes: pd.DataFrame | None, texts: Texts) -> list[str]:
    actions, say = plan["action"].value_counts(), texts.say
    planned, ended = say(Sentence("report.planned")), say(Sentence("report.done"))
    rows = [say(Sentence("report.rows", n=len(plan))), "", f"| | {planned} | {ended} |", "|---|---:|---:|"]
    done = None if outcomes is None else outcomes.loc[outcomes["status"] == OutcomeStatus.DONE, "action"].value_counts()
    for action in _WRITES:
        count = int(actions.get(action, 0))
        if count:
            word = say(Sentence(f"action.{action}.done"))
            rows.append(f"| {word} | {count} | {'–' if done is None else int(done.get(action, 0))} |")
    mismatches = int(((plan["action"] == Action.NONE) & _open(plan)).sum())
    unchanged = int(actions.get(Action.NONE, 0)) - mismatches
    rows.append(f"| {say(Sentence('report.unchanged'))} | {unchanged} | |")
    rows.append(f"| {say(Sentence('report.undecided'))} | {mismatches} | |")
    rows.append(f"| {say(Sentence('report.rejected'))} | {int(actions.get(Action.REJECT, 0))} | |")
    if outcomes is not None:
        counts = [
            Sentence("report.number_of", number=count, what=Sentence(f"status.{status}"))
            for status, count in count_statuses(outcomes).items()
            if count
        ]
        rows += ["", say(Sentence("report.outcomes", counts=counts))]
        already = int((outcomes["code"] == "already_there").sum())
        if already:
            rows.append(say(Sentence("report.already_there", n=already)))
    return rows


def _with_plan_reasons(plan: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Give the outcomes that went wrong, with the names of the persons."""
    names = plan[["row", "firstname", "lastname", "account_id"]].assign(key=_key(plan)).drop_duplicates("key")
    bad = outcomes[outcomes["status"].isin([str(status) for status in _NOT_DONE]) | outcomes["code"].isin(NOT_WHOLE)]
    bad = bad.assign(key=_key)
    return bad.merge(names[["key", "firstname", "lastname"]], on="key", how="left")


def _key(frame: pd.DataFrame) -> pd.Series[str]:
    return frame["row"].astype("string").fillna("account " + frame["account_id"].astype("string"))


def _reasons(frame: pd.DataFrame, texts: Texts, *, named: bool) -> list[str]:
    if "code" not in frame.columns:
        frame = _rejects_of_plan(frame)
    if frame.empty:
        return []
    parts = ["", f"## {texts.say(Sentence('report.not_done'))}"]
    for group in _largest_first(frame, ["status", "code"]):
        status, code = str(group["status"].iloc[0]), str(group["code"].iloc[0])
        parts += [
            "",
            f"### {plain(in_words(texts, code))} ({as_code(code)}, {texts.say(Sentence(f'status.{status}'))}): {len(group)}",
            "",
            plain(how_to_mend(texts, code, status)),
            "",
        ]
        parts += _people(group, "message", texts, named=named)
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


def _mismatches(plan: pd.DataFrame, texts: Texts, *, named: bool) -> list[str]:
    found = plan[_open(plan)]
    if found.empty:
        return []
    parts = ["", f"## {texts.say(Sentence('report.mismatches'))}"]
    for group in _largest_first(found, ["verdict"]):
        verdict = str(group["verdict"].iloc[0])
        parts += ["", f"### {plain(in_words(texts, verdict))} ({as_code(verdict)}): {len(group)}", ""]
        parts += _people(group, "evidence", texts, named=named)
    return parts


def _drift(plan: pd.DataFrame, texts: Texts) -> list[str]:
    """Say what was changed by hand in Moodle: how often in which field, and whether the plan puts it right."""
    found: Counter[tuple[str, str]] = Counter()
    for text in plan.loc[plan["drift"] != "{}", "drift"]:
        found.update((field, str(what)) for field, (_, _, what) in json.loads(text).items())
    if not found:
        return []
    rows = sorted({field for field, _ in found})
    lines = [f"| {plain(field)} | {found[field, 'repaired']} | {found[field, 'reported']} |" for field in rows]
    columns = [texts.say(Sentence(f"report.drift.{name}")) for name in ("field", "repaired", "reported")]
    return _headed(texts, Sentence("report.drift"), [f"| {' | '.join(columns)} |", "|---|---:|---:|", *lines])


def _people(group: pd.DataFrame, why: str, texts: Texts, *, named: bool) -> list[str]:
    """List persons, one a line with the reason; or their ids alone, on one line."""
    rows = _rows(group)
    if named:
        told = ((_who(row, texts), plain(texts.say(row[why]))) for row in rows)
        return _some((f"{who}: {reason}" if reason else who for who, reason in told), texts)
    ids = [plain(_id(row, texts)) for row in rows[:_MOST_IDS]]
    more = len(rows) - len(ids)
    return [
        texts.say(Sentence("report.persons_and_more", ids=ids, n=more) if more else Sentence("report.persons", ids=ids))
    ]


def _largest_first(frame: pd.DataFrame, by: list[str]) -> list[pd.DataFrame]:
    groups = [group for _, group in frame.groupby(by, sort=True)]
    return sorted(groups, key=len, reverse=True)


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", frame.to_dict("records"))


def _who(row: dict[str, Any], texts: Texts) -> str:
    name = " ".join(str(row.get(part) or "") for part in ("firstname", "lastname")).strip()
    return plain(f"{name} ({_id(row, texts)})" if name else _id(row, texts))


def _id(row: dict[str, Any], texts: Texts) -> str:
    known = row.get("person_id") or row.get("extern_id") or row.get("idnumber")
    return str(known or texts.say(Sentence("report.account", account=str(row.get("account_id")))))


def _some(lines: Iterable[str], texts: Texts) -> list[str]:
    listed = [f"* {line}" for line in lines]
    more = len(listed) - _EXAMPLES
    return listed if more <= 0 else [*listed[:_EXAMPLES], f"* {texts.say(Sentence('report.more', n=more))}"]
