"""Who belongs in which cohort and course, by the mapping's rules and its list; the day it is does not matter here."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from moodle_coupling.contract.columns import AccessCode, TargetKind
from moodle_coupling.contract.frames import ACCESS_WANTED
from moodle_coupling.mapping import ListState
from moodle_coupling.mapping.access import STUDENT
from moodle_coupling.people.arrow import to_series
from moodle_coupling.people.rules import holds
from moodle_coupling.people.table import Table, empty

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Mapping as AbcMapping

    from moodle_coupling.access.questions import Target
    from moodle_coupling.mapping import Access, AccessRule, Mapping
    from moodle_coupling.mapping.access import Targets

_KEY: Final = ["row", "kind", "target"]
_SAID: Final = ["role", "timestart", "timeend", "suspended", "none", "code"]
_BOUNDS: Final[tuple[tuple[Literal["from", "until"], str], ...]] = (("from", "timestart"), ("until", "timeend"))
_NOT_WANTED: Final = "none"
"""Column of a draft: a list says that there is no access, which contradicts whoever says that there is."""


def wanted_access(
    persons: pd.DataFrame,
    everyone: pd.DataFrame,
    mapping: Mapping,
    listed: pd.DataFrame | None = None,
    *,
    names: AbcMapping[Target, str] | None = None,
) -> pd.DataFrame:
    """Give who belongs where (ACCESS_WANTED): one row per person and target, by row, kind and target.

    ``persons`` is the persons frame, ``everyone`` all candidates (CANDIDATES), in scope or not; ``listed`` the list
    (ACCESS_LIST); ``names`` the targets that are kept under another name than they are named by here, so that what is said of one
    target under several names is said of the same. What is said twice and the same counts once; what contradicts itself is nothing to
    act on, and says so.
    Rules hold for persons in scope; who is named by a list and is not in scope has a row that says that.

    Raises MappingError where a rule names a column that there is not.
    """
    access = mapping.access
    if access is None:
        return empty(ACCESS_WANTED)
    dates = _Dates(access)
    drafts = [_renamed(_by_rules(persons, everyone, mapping, access, dates), names or {})]
    if listed is not None and len(listed):
        draft = _renamed(_by_list(listed, everyone, access, dates), names or {})
        drafts.append(_enrolled(draft) if access.source is not None and access.source.of_enrolments else draft)
    filled = [draft for draft in drafts if len(draft)]
    if not filled:
        return empty(ACCESS_WANTED)
    merged = _merged(pd.concat(filled, ignore_index=True))
    return _framed(merged, everyone)


def _framed(merged: pd.DataFrame, everyone: pd.DataFrame) -> pd.DataFrame:
    """Give the rows the ids of their persons; of a list's nobody the ids that it has."""
    known = everyone.drop_duplicates("row").set_index("row")
    rows = merged["row"]
    for name in ("person_id", "extern_id", "idnumber"):
        theirs = known[name].reindex(rows.fillna(-1).astype("int64")).set_axis(merged.index)
        merged[name] = theirs.where(rows.notna(), merged[name]).fillna("").astype("str")
    frame = merged[list(ACCESS_WANTED.names)].astype(ACCESS_WANTED.dtypes)
    order = ["row", "kind", "target", "person_id", "extern_id", "idnumber", "value"]
    return frame.sort_values(order, ignore_index=True, kind="stable")


# ---- rules -----------------------------------------------------------------------------------------------------------


def _by_rules(
    persons: pd.DataFrame, everyone: pd.DataFrame, mapping: Mapping, access: Access, dates: _Dates
) -> pd.DataFrame:
    if not access.rules:
        return _draft({})
    file = mapping.path or f"include/mappings/{mapping.environment}.yaml"
    table = Table(persons, mapping.environment, str(file))
    in_scope = set(everyone.loc[everyone["in_scope"], "row"].tolist())
    belongs = np.array([row in in_scope for row in table.rows.tolist()], dtype=bool)
    drafts = [
        _by_rule(table, rule, f"access.rules[{place}]", belongs, dates) for place, rule in enumerate(access.rules)
    ]
    return pd.concat(drafts, ignore_index=True)


def _by_rule(table: Table, rule: AccessRule, where: str, belongs: np.ndarray, dates: _Dates) -> pd.DataFrame:
    mask = belongs.copy()
    for at, condition in enumerate(rule.when):
        here = f"{where}.when[{at}]"
        mask &= holds(condition, table.texts(condition.column, f"{here}.column"), here)
    chosen = np.flatnonzero(mask)
    draft = _draft({"row": table.rows[chosen]})
    draft["kind"] = rule.kind.value
    draft["role"] = rule.role if rule.kind is TargetKind.COURSE else ""
    for bound, name in _BOUNDS:
        column = rule.window.get(bound)
        if column is not None:
            texts = to_series(table.texts(column, f"{where}.window.{bound}")).iloc[chosen].reset_index(drop=True)
            dates.note(draft, texts, name)
    _note_backwards(draft)
    targets = rule.targets
    if targets.column is None:
        return draft.assign(target=targets.name or "")
    texts = to_series(table.texts(targets.column, f"{where}.{rule.kind}.column")).iloc[chosen]
    named = {text: names_in(text, targets) for text in set(texts)}
    draft["target"] = pd.Series([named[text] for text in texts], index=draft.index, dtype="object")
    return draft.explode("target", ignore_index=True).dropna(subset="target").reset_index(drop=True)


def names_in(text: str, targets: Targets) -> list[str]:
    """Give the targets that a column's text names, each once, in order."""
    parts = (each.strip() for each in text.split(targets.separator))
    names = [targets.translated(part, targets.prefix) for part in parts if part]
    return list(dict.fromkeys(name for name in names if name))


# ---- the list --------------------------------------------------------------------------------------------------------


def _by_list(listed: pd.DataFrame, everyone: pd.DataFrame, access: Access, dates: _Dates) -> pd.DataFrame:
    listed = listed.reset_index(drop=True)
    parts = []
    for kind in TargetKind:
        some = listed[listed[kind.value] != ""].reset_index(drop=True)
        parts.append(_listed_as(some, kind, some[kind.value], everyone, access, dates))
    nameless = listed[(listed["cohort"] == "") & (listed["course"] == "")].reset_index(drop=True)
    unnamed = _listed_as(nameless, TargetKind.COURSE, nameless["course"], everyone, access, dates)
    parts.append(unnamed.assign(code=AccessCode.TARGET_UNNAMED.value, value=nameless["line"].astype("str")))
    return pd.concat(parts, ignore_index=True)


def _listed_as(  # each is a column or a fact of its own
    some: pd.DataFrame, kind: TargetKind, targets: pd.Series, everyone: pd.DataFrame, access: Access, dates: _Dates
) -> pd.DataFrame:
    draft = _draft({name: some[name] for name in ("person_id", "extern_id", "idnumber")})
    draft["kind"], draft["target"] = kind.value, targets
    draft["role"] = some["role"].where(some["role"] != "", STUDENT) if kind is TargetKind.COURSE else ""
    dates.note(draft, some["from"], "timestart")
    dates.note(draft, some["until"], "timeend")
    _note_backwards(draft)
    states = {name.casefold(): state for name, state in access.states.items()}
    meant = some["state"].map(lambda text: states.get(text.casefold(), "?") if text else ListState.ACTIVE)
    unknown = meant == "?"
    draft.loc[unknown, "code"] = AccessCode.STATE_UNKNOWN.value
    draft.loc[unknown, "value"] = some.loc[unknown, "state"]
    draft["suspended"] = (meant == ListState.SUSPENDED).astype("bool")
    draft[_NOT_WANTED] = (meant == ListState.NONE).astype("bool")
    _find_persons(draft, some["line"], everyone)
    return draft


def _find_persons(draft: pd.DataFrame, lines: pd.Series, everyone: pd.DataFrame) -> None:
    """Give each row its person; every id that the list has must mean the same one."""
    meant: list[set[int]] = [set() for _ in range(len(draft))]
    said = pd.Series(data=False, index=draft.index)
    for name in ("person_id", "extern_id", "idnumber"):
        known = everyone.loc[everyone[name] != "", [name, "row"]]
        rows: dict[str, set[int]] = {}
        for id_, row in zip(known[name], known["row"], strict=True):
            rows.setdefault(id_, set()).add(int(row))
        for at, id_ in enumerate(draft[name]):
            if id_:
                found = rows.get(id_, set())
                meant[at] |= found or {-1}
        said |= draft[name] != ""
    # An id that nobody has beside one that somebody has: the list may mean another person than it seems.
    known_only = [rows - {-1} for rows in meant]
    nobody = pd.Series([not rows for rows in known_only], index=draft.index)
    several = pd.Series([len(rows) > 1 for rows in meant], index=draft.index) & ~nobody
    single = [next(iter(rows)) if len(rows) == 1 else None for rows in known_only]
    draft["row"] = pd.Series(single, index=draft.index, dtype="Int64").where(~several & ~nobody)
    for mask, code in ((nobody, AccessCode.PERSON_UNKNOWN), (several, AccessCode.PERSON_AMBIGUOUS)):
        draft.loc[mask, "code"] = code.value
        draft.loc[mask, "value"] = lines[mask].astype("str")
    outside = set(everyone.loc[~everyone["in_scope"], "row"].tolist())
    out = draft["row"].isin(outside).fillna(value=False).astype("bool")
    draft.loc[out, "code"] = AccessCode.OUT_OF_SCOPE.value
    draft.loc[out, "value"] = ""


def _enrolled(draft: pd.DataFrame) -> pd.DataFrame:
    """Give one row per person and target of enrolments: a training is followed again, and one withdrawn while another goes on.

    Any enrolment that gives access gives it, suspended only where all of them are; the window is from the first beginning to
    the last end, so that nobody is out while one goes on. Rows with a reason of their own, and other roles, stand for themselves.
    """
    plain = draft["row"].notna() & (draft["target"] != "") & (draft["code"] == "")
    rows, rest = draft[plain], draft[~plain]
    key = [*_KEY, "role"]
    active = (~rows[_NOT_WANTED]).groupby([rows[name] for name in key]).transform("any")
    rows = rows[~active | ~rows[_NOT_WANTED]]
    if rows.empty:
        return draft
    several = rows.groupby(key, sort=False)
    begins, ends = several["timestart"], several["timeend"]
    rows = rows.assign(
        timestart=begins.transform("min"),
        timeend=ends.transform("max").where(ends.transform("min") > 0, 0),
        suspended=several["suspended"].transform("all"),
    )
    return pd.concat([rows.drop_duplicates(key), rest], ignore_index=True)


# ---- dates -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Dates:
    """How dates are read."""

    access: Access

    def note(self, draft: pd.DataFrame, texts: pd.Series, name: str) -> None:
        """Put a bound into a draft; a date that cannot be read is a reason, and no bound."""
        read = {text: moment_of(text, self.access, ends=name == "timeend") for text in set(texts)}
        draft[name] = pd.Series([read[text] or 0 for text in texts], index=draft.index, dtype="int64")
        bad = pd.Series([read[text] is None for text in texts], index=draft.index, dtype="bool")
        draft.loc[bad, "code"] = AccessCode.DATE_UNREAD.value
        draft.loc[bad, "value"] = texts[bad]


def moment_of(text: str, access: Access, *, ends: bool) -> int | None:
    """Give the Unix time that a date means, 0 for an empty one and None for one that cannot be read.

    A day begins at midnight in the mapping's time zone and, where it ``ends`` a window, counts whole. Read by date_format, or
    as databases write it (2027-01-31, 2027-01-31T09:30:00, with a zone or without).
    """
    if not text:
        return 0
    zone = ZoneInfo(access.time_zone)
    try:
        moment, whole_day = dt.datetime.strptime(text, access.date_format), not access.with_time  # noqa: DTZ007
    except ValueError:
        try:
            moment, whole_day = dt.datetime.fromisoformat(text), len(text) <= len("2027-01-31")
        except ValueError:
            return None
    if whole_day and ends:
        try:
            moment += dt.timedelta(days=1)
        except OverflowError:
            return None
    try:
        seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp())
    except (OverflowError, ValueError):
        return None
    return seconds if seconds > 0 else None


def _note_backwards(draft: pd.DataFrame) -> None:
    backwards = (draft["timeend"] > 0) & (draft["timeend"] <= draft["timestart"]) & (draft["code"] == "")
    draft.loc[backwards, "code"] = AccessCode.ENDS_BEFORE_START.value


def _renamed(draft: pd.DataFrame, names: AbcMapping[Target, str]) -> pd.DataFrame:
    """Give the rows with the names under which their targets are kept."""
    for (kind, name), kept in names.items():
        draft.loc[(draft["kind"] == kind) & (draft["target"] == name), "target"] = kept
    return draft


# ---- putting together ------------------------------------------------------------------------------------------------


def _draft(columns: dict[str, object]) -> pd.DataFrame:
    """Make rows with these columns and the others as when nothing is said."""
    frame = pd.DataFrame(columns)
    unsaid: dict[str, tuple[object, str]] = {
        "row": (pd.NA, "Int64"),
        **dict.fromkeys(("person_id", "extern_id", "idnumber", "kind", "target", "role", "code", "value"), ("", "str")),
        **dict.fromkeys(("timestart", "timeend"), (0, "int64")),
        **dict.fromkeys(("suspended", _NOT_WANTED), (False, "bool")),
    }
    for name, (value, dtype) in unsaid.items():
        if name not in frame:
            frame[name] = pd.Series(value, index=frame.index, dtype=dtype)
    return frame.astype({"row": "Int64"})[list(unsaid)]


def _merged(draft: pd.DataFrame) -> pd.DataFrame:
    """Give one row per person and target; a row of nobody, and one without target, stands for itself."""
    draft = draft.drop_duplicates(ignore_index=True)
    alone = draft["row"].isna() | (draft["target"] == "")
    paired = draft[~alone].drop_duplicates([*_KEY, *_SAID], ignore_index=True)
    outside = paired["code"] == AccessCode.OUT_OF_SCOPE
    doubled = paired.duplicated(_KEY, keep=False) & ~outside
    paired.loc[doubled, "code"] = AccessCode.CONTRADICTS.value
    paired.loc[doubled, "value"] = ""
    paired.loc[doubled, [_NOT_WANTED, "suspended"]] = False
    paired.loc[doubled, ["timestart", "timeend"]] = 0
    paired = paired.drop_duplicates(_KEY, ignore_index=True)
    # Who is said to have no access simply is not among those who do; a reason about the row comes first.
    paired = paired[~paired[_NOT_WANTED] | (paired["code"] != "")]
    return pd.concat([paired, draft[alone]], ignore_index=True)


def said_of(wanted: pd.DataFrame) -> list[dict[str, Any]]:
    """Give rows of ACCESS_WANTED for JSON: kind, target, role, the window in UTC ('' for no bound), and an AccessCode where it is not possible."""
    names = ["kind", "target", "role", "suspended", "code", "value"]
    return [
        {name: row[name] for name in names} | {bound: utc_text(row[name]) for bound, name in _BOUNDS}
        for row in wanted.to_dict("records")
    ]


def utc_text(seconds: int) -> str:
    """Give a bound of a window for people to read; '' where there is none."""
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M} UTC" if seconds else ""


def targets_of(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Give the targets (kind, target) that stand in some frames, each once, in order."""
    pairs = [frame.loc[frame["target"] != "", ["kind", "target"]] for frame in frames]
    return pd.concat(pairs).drop_duplicates().sort_values(["kind", "target"], ignore_index=True)
