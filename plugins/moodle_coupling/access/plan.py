"""The plan of access: for each person and target what a run intends, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from moodle_coupling.contract.columns import ACCESS_GIVES, ACCESS_WRITES, AccessAction, AccessCode, TargetKind
from moodle_coupling.contract.frames import ACCESS_PLAN
from moodle_coupling.contract.safe_text import plain
from moodle_coupling.contract.verdicts import KEPT_UP, Verdict
from moodle_coupling.mapping import LeaverAccess, TakeBack
from moodle_coupling.matching.frames import Action
from moodle_coupling.matching.safeguards import Tripped, is_beyond
from moodle_coupling.people.table import empty
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping

    from moodle_coupling.access.questions import Target
    from moodle_coupling.mapping import Access, Limit
    from moodle_coupling.mapping.access import AccessSafeguards
    from moodle_coupling.words.sentence import Texts


# ---- Safeguards on a plan of access: what waits for a person's approval, and what that person reads ----

FIRST_LOAD: Final = "access_first_load"
EMPTY: Final = "access_empty"
TAKE_BACKS: Final = "access_take_backs"
PER_TARGET: Final = "access_target"
_TAKE_BACK: Final = AccessAction.TAKE_BACK.value
_WRITES: Final = [action.value for action in ACCESS_WRITES]
_GIVES: Final = [action.value for action in ACCESS_GIVES]
_SHOWN: Final = 10


def evaluate_access(
    plan: pd.DataFrame,
    members: pd.DataFrame,
    given: pd.DataFrame,
    safeguards: AccessSafeguards,
    *,
    ever_given: bool,
    partial: bool = False,
) -> tuple[Tripped, ...]:
    """Give the limits that a plan of access (ACCESS_PLAN) goes beyond; none for one that writes nothing.

    ``members`` (ACCESS_MEMBERS) are who is in the targets now, ``given`` (ACCESS_GIVEN) what the ledger remembers;
    ``ever_given``: some run of this environment gave access. ``partial``: the plan is for some persons only, so that the others
    belong where they belong.
    """
    writes = int(plan["action"].isin(_WRITES).sum())
    if not writes:
        return ()
    found = []
    if safeguards.first_load and not ever_given:
        found.append(Tripped(FIRST_LOAD, writes, writes, 1.0, 0, 0.0, Sentence(f"safeguard.{FIRST_LOAD}", n=writes)))
    back = plan[plan["action"] == _TAKE_BACK]
    total = int(given["ours"].sum())
    others = (plan["row"].notna() & (plan["action"] != _TAKE_BACK)).any()
    if safeguards.empty and len(back) > 1 and not others and not partial:
        found.append(_tripped(EMPTY, len(back), max(total, len(back)), None))
    if safeguards.take_backs is not None and is_beyond(len(back), total, safeguards.take_backs):
        found.append(_tripped(TAKE_BACKS, len(back), total, safeguards.take_backs))
    if safeguards.per_target is not None:
        found += _per_target(back, members, safeguards.per_target)
    return tuple(found)


def _per_target(back: pd.DataFrame, members: pd.DataFrame, limit: Limit) -> Iterator[Tripped]:
    now = members.groupby(["kind", "target"])["account_id"].nunique()
    sizes: Any = back.groupby(["kind", "target"]).size().items()
    for (kind, target), number in sizes:
        total = max(int(now.get((kind, target), 0)), int(number))
        if is_beyond(int(number), total, limit):
            yield _tripped(PER_TARGET, int(number), total, limit, kind=str(kind), target=str(target))


def _tripped(code: str, count: int, total: int, limit: Limit | None, *, kind: str = "", target: str = "") -> Tripped:
    share = count / total if total else 1.0
    said: dict[str, Any] = {"n": count, "total": total, "share": round(share, 3)}
    if kind:
        said |= {"kind": Sentence(f"access.kind.{kind}"), "target": target}
    return Tripped(
        code,
        count,
        total,
        share,
        limit.count if limit else 0,
        limit.share if limit else 0.0,
        Sentence(f"safeguard.{code}", **said),
    )


def access_body(plan: pd.DataFrame, tripped: tuple[Tripped, ...], texts: Texts) -> str:
    """Give what a person who decides reads of a plan of access, in Markdown: counts per target, and rows that are taken back.

    Ids only, no names: the place it stands in has readers and a lifetime that are not ours.
    """
    say = texts.say
    columns = [say(Sentence(f"access.table.{name}")) for name in ("target", "give", "take_back")]
    lines = [f"## {say(Sentence('access.heading'))}", "", *(f"* {say(each.said)}" for each in tripped)]
    lines += ["", f"| {' | '.join(columns)} |", "|---|---:|---:|"]
    writing = plan[plan["action"].isin(_WRITES)]
    for (kind, target), some in writing.groupby(["kind", "target"]):
        gives, backs = int(some["action"].isin(_GIVES).sum()), int((some["action"] == _TAKE_BACK).sum())
        named = say(Sentence(f"access.kind.{kind}"))
        lines.append(f"| {plain(f'{named} {target}')} | {texts.number(gives)} | {texts.number(backs)} |")
    back = writing[writing["action"] == _TAKE_BACK]
    if len(back):
        shown = min(_SHOWN, len(back))
        lines += ["", say(Sentence("access.taken_back", shown=shown, all=len(back))), ""]
        lines += [_line(row, say) for row in back.head(_SHOWN).to_dict("records")]
    return "\n".join(lines) + "\n"


def _line(row: dict[Hashable, Any], say: Callable[[Sentence], str]) -> str:
    who = row["person_id"] or row["extern_id"] or row["idnumber"]
    account = Sentence("approval.account", account=str(row["account_id"]))
    whose = say(Sentence("approval.person", id=who) if who else account)
    kind, why = Sentence(f"access.kind.{row['kind']}"), Sentence(f"access.why.{row['code']}", value="")
    where = f"{say(kind)} {row['target']}"
    return f"* {plain(whose)}: {plain(where)}, {plain(say(why))}"


# ---- The plan of access ----

_KEY: Final = ["account_id", "kind", "target"]
_CERTAIN: Final = frozenset(action.value for action in (Action.CREATE, Action.LINK, Action.UPDATE, Action.REACTIVATE))
_KEPT_UP: Final = frozenset(verdict.value for verdict in KEPT_UP)
_NOT_TOUCHED: Final = {
    Verdict.PROTECTED.value: AccessCode.PROTECTED.value,
    Verdict.HELD.value: AccessCode.HELD.value,
}
_COHORT: Final = TargetKind.COHORT.value
_ELSEWHERE: Final = AccessCode.TARGET_ELSEWHERE.value
_NOT_FOUND: Final = (AccessCode.TARGET_MISSING.value, AccessCode.TARGET_AMBIGUOUS.value, _ELSEWHERE)


@dataclass(frozen=True)
class Circumstances:
    """What a plan of access is made under.

    ``now``: Unix time. ``full``: every account of the Moodle was read, so leavers and strangers show. ``gone``: idnumbers of
    who has left and whose days of grace are over; ``everyone_known``: nobody was left out of the source, and ``explained``
    holds the idnumbers of who is in it and out of scope all the same. ``list_whole``: no line of the list was left out.
    ``protected``: accounts that are never touched; ``known``: accounts that were read; ``idnumbers`` of those that have one.
    ``roles``: shortname → number, as courses show them. ``asked``: names that Moodle does not have → the numbers of what they may stand
    for; who belongs there by such a name keeps what was given, as long as nobody decided.
    """

    now: int
    full: bool = False
    partial: bool = False
    gone: frozenset[str] = frozenset()
    everyone_known: bool = True
    explained: frozenset[str] = frozenset()
    list_whole: bool = True
    protected: frozenset[int] = frozenset()
    known: frozenset[int] = frozenset()
    idnumbers: Mapping[int, str] = field(default_factory=dict)
    roles: Mapping[str, int] = field(default_factory=dict)
    asked: Mapping[Target, frozenset[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Known:
    """What is known of Moodle and of earlier runs, and how to judge it."""

    targets: pd.DataFrame
    members: pd.DataFrame
    given: pd.DataFrame
    access: Access
    under: Circumstances


def plan_access(
    wanted: pd.DataFrame,
    accounts: pd.DataFrame,
    targets: pd.DataFrame,
    members: pd.DataFrame,
    given: pd.DataFrame,
    access: Access,
    under: Circumstances,
) -> pd.DataFrame:
    """Give the plan of access (ACCESS_PLAN), by row and account.

    ``wanted`` is ACCESS_WANTED, ``accounts`` the plan of accounts (PLAN), ``targets`` and ``members`` what was read of Moodle
    (ACCESS_TARGETS, ACCESS_MEMBERS), ``given`` what the ledger remembers (ACCESS_GIVEN). Of a target that is not in
    ``targets`` nothing was read, for nothing about it changed: what was given there counts as still there.

    Nothing is taken back but what was given, and, on a full run, from strangers in cohorts that are ours. The order of the
    rows of what goes in changes nothing.
    """
    standing = _standing(accounts)
    if under.partial:
        wanted = wanted[wanted["row"].isin(standing["row"]).fillna(value=False)].reset_index(drop=True)
    known = _Known(targets, members, given.drop_duplicates(_KEY), access, under)
    forth = _wanted_rows(wanted, standing, known)
    back = _given_rows(forth, accounts, standing, known)
    parts = [_framed(each) for each in (forth, back) if len(each)]
    strangers = _strangers(pd.concat(parts) if parts else empty(ACCESS_PLAN), standing, known, forth)
    parts += [_framed(strangers)] if len(strangers) else []
    if not parts:
        return empty(ACCESS_PLAN)
    order = ["row", "account_id", "kind", "target", "person_id", "extern_id", "idnumber", "value"]
    return pd.concat(parts).sort_values(order, ignore_index=True, kind="stable")


def unlooked(
    wanted: pd.DataFrame,
    given: pd.DataFrame,
    accounts: Mapping[str, int],
    access: Access,
    now: int,
    *,
    list_read: bool = True,
) -> pd.DataFrame:
    """Give the targets (kind, target) of which all is as the ledger has it, so that a run for what changed need not read them.

    ``accounts``: the idnumbers of who is in scope → their account, as the ledger has them. Of others nothing is taken back on such
    a run, nor from anybody where the list was not read.
    """
    some = wanted.assign(account_id=wanted["idnumber"].map(accounts).astype("Int64"))
    shown = ["role", "timestart", "timeend", "suspended"]
    known = given[given["account_id"].isin(list(accounts.values()))].astype({"account_id": "Int64"})
    pairs = some.merge(known[[*_KEY, *shown, "ours"]], on=_KEY, how="outer", suffixes=("", "_given"), indicator=True)
    both, code = pairs["_merge"] == "both", pairs["code"].fillna("")
    alike = both & (code == "")
    for name in shown:
        alike &= (pairs[name] == pairs[f"{name}_given"]).fillna(value=False).astype("bool")
    ours = (pairs["ours"] == True).fillna(value=False).astype("bool")  # noqa: E712  # missing where nothing is known
    closed = (pairs["kind"] == _COHORT) & ~_open(pairs, now)
    # Nothing of ours is there and nothing is due: out of the window, a reason stands in the way, or nobody wants it any more.
    idle = ~ours & ((code != "") | closed | (pairs["_merge"] == "right_only") | both)
    kept = (pairs["_merge"] == "right_only") & (access.take_back is TakeBack.NEVER or not list_read)
    quiet = (alike & ~closed) | (both & (code != "")) | idle | kept
    by_target = quiet.groupby([pairs["kind"], pairs["target"]]).all()
    return by_target[by_target].index.to_frame(index=False)


# ---- who belongs -----------------------------------------------------------------------------------------------------


def _standing(accounts: pd.DataFrame) -> pd.DataFrame:
    """Give for each person of the plan of accounts, by row: the account, and a code where it must not be touched."""
    persons = accounts[accounts["row"].notna()]
    certain = persons["action"].isin(_CERTAIN) | (
        (persons["action"] == Action.NONE.value) & persons["verdict"].isin(_KEPT_UP)
    )
    code = persons["verdict"].map(_NOT_TOUCHED).fillna(AccessCode.NO_ACCOUNT.value)
    return pd.DataFrame(
        {
            "row": persons["row"].astype("Int64"),
            "account_id": persons["account_id"].astype("Int64"),
            "standing": code.where(~certain, "").astype("str"),
        }
    ).drop_duplicates("row")


def _wanted_rows(wanted: pd.DataFrame, standing: pd.DataFrame, known: _Known) -> pd.DataFrame:
    access, under = known.access, known.under
    rows = wanted.merge(standing, on="row", how="left")
    rows = _with_target(rows, known.targets)
    rows = _with_given(rows, known.given)
    rows["there"] = _are_members(rows, known.members)
    numbers = {name: _role_number(name, access, under) for name in set(rows["role"])}
    rows["role_id"] = pd.Series([numbers[name] for name in rows["role"]], index=rows.index, dtype="int64")
    cohort = rows["kind"] == _COHORT
    begun = (rows["timestart"] == 0) | (rows["timestart"] <= under.now)
    over = (rows["timeend"] > 0) & (rows["timeend"] <= under.now)
    was = rows["was_given"] & rows["ours"]
    missing = rows["target_code"].isin(_NOT_FOUND)
    gone = was & rows["read"] & ~rows["there"]
    there = rows["there"] | (rows["was_given"] & ~rows["ours"] & ~rows["read"])
    same = (rows["timestart"] == rows["timestart_given"]) & (rows["timeend"] == rows["timeend_given"])
    same &= rows["suspended"] == rows["suspended_given"]
    closed = cohort & (~begun | over | rows["suspended"])
    never = access.take_back is TakeBack.NEVER
    keeps_it = closed & was & ~gone
    why_closed = np.where(over, AccessCode.WINDOW_ENDED, np.where(begun, AccessCode.NO_LONGER, AccessCode.NOT_BEGUN))
    standing_code = rows["standing"].fillna(AccessCode.NO_ACCOUNT.value)
    blocked = standing_code.isin(_NOT_TOUCHED.values())
    shielded = rows["account_id"].isin(under.protected).fillna(value=False).astype("bool")
    reject, none = AccessAction.REJECT, AccessAction.NONE
    choices: list[tuple[Any, Any, Any]] = [
        (rows["code"] == AccessCode.OUT_OF_SCOPE, none, rows["code"]),
        (rows["code"] != "", reject, rows["code"]),
        (shielded, none, AccessCode.PROTECTED),
        (blocked, none, standing_code),
        (standing_code != "", reject, standing_code),
        (closed & ~was, none, why_closed),
        (missing, reject, rows["target_code"]),
        (closed & gone, none, AccessCode.GONE_ALREADY),
        (keeps_it & never, none, AccessCode.NEVER_TAKEN_BACK),
        (keeps_it & ~rows["read"], none, AccessCode.NOT_LOOKED),
        (keeps_it, AccessAction.TAKE_BACK, why_closed),
        (was & ~gone & (rows["role"] != rows["role_given"]), reject, AccessCode.ROLE_CHANGED),
        (was & ~gone & (cohort | same), none, AccessCode.GIVEN),
        (~was & over, none, AccessCode.WINDOW_ENDED),
        (~was & there, none, AccessCode.ALREADY_THERE),
        (~rows["read"], none, AccessCode.NOT_LOOKED),
        (rows["target_code"] != "", reject, rows["target_code"]),
        (~cohort & (rows["role_id"] == 0), reject, AccessCode.ROLE_UNKNOWN),
        (was & ~gone, AccessAction.EXTEND, AccessCode.WINDOW_CHANGED),
        (gone, AccessAction.GIVE, AccessCode.TAKEN_BY_HAND),
    ]
    decided = _decided(rows, choices, (AccessAction.GIVE, AccessCode.WANTED))
    return decided.assign(value=decided["value"].mask(decided["code"] == _ELSEWHERE, decided["alike"]))


def _decided(
    rows: pd.DataFrame, choices: list[tuple[Any, Any, Any]], otherwise: tuple[AccessAction, AccessCode]
) -> pd.DataFrame:
    """Give the rows their action and code: those of the first choice that holds."""
    holding = [np.asarray(mask, dtype=bool) for mask, _, _ in choices]

    def texts(values: Any) -> Any:
        plain = values.value if isinstance(values, (AccessAction, AccessCode)) else values
        return np.broadcast_to(np.asarray(plain, dtype=object), len(rows))

    action = np.select(holding, [texts(one) for _, one, _ in choices], otherwise[0].value)
    code = np.select(holding, [texts(one) for _, _, one in choices], otherwise[1].value)
    return rows.assign(
        action=pd.Series(action, index=rows.index).astype("str"), code=pd.Series(code, index=rows.index).astype("str")
    )


def _open(rows: pd.DataFrame, now: int) -> pd.Series:
    """Tell which windows are open now; a suspended one is not."""
    start, end = rows["timestart"].fillna(0), rows["timeend"].fillna(0)
    return ((start == 0) | (start <= now)) & ((end == 0) | (end > now)) & (rows["suspended"] != True)  # noqa: E712  # may be missing


def _role_number(name: str, access: Access, under: Circumstances) -> int:
    """Give a role's number, 0 where it is not known, or where a course shows another than the mapping says."""
    said, shown = access.roles.get(name), under.roles.get(name)
    if said is not None and shown is not None and said != shown:
        return 0
    return shown or said or 0


def _with_target(rows: pd.DataFrame, targets: pd.DataFrame) -> pd.DataFrame:
    known = targets.rename(columns={"code": "target_code"}).drop_duplicates(["kind", "target"])
    found = rows.merge(known, on=["kind", "target"], how="left", indicator="read")
    return found.assign(
        target_code=found["target_code"].fillna("").astype("str"),
        alike=found["alike"].fillna("").astype("str"),
        target_id=found["target_id"].astype("Int64"),
        read=found["read"] == "both",
    )


def _with_given(rows: pd.DataFrame, given: pd.DataFrame) -> pd.DataFrame:
    """Put beside each row what was given; the number of a target that was not read comes from there."""
    names = ["role", "timestart", "timeend", "suspended", "target_id"]
    known = given[[*_KEY, *names, "ours"]].rename(columns={name: f"{name}_given" for name in names})
    known = known.astype({"account_id": "Int64"})
    found = rows.merge(known, on=_KEY, how="left", indicator="was_given")
    was = (found["was_given"] == "both") & found["account_id"].notna()
    number = found["target_id_given"].astype("Int64")
    return found.assign(
        was_given=was,
        ours=(found["ours"] == True).fillna(value=False).astype("bool"),  # noqa: E712  # missing where nothing is known
        role_given=found["role_given"].fillna("").astype("str"),
        timestart_given=found["timestart_given"].fillna(0).astype("int64"),
        timeend_given=found["timeend_given"].fillna(0).astype("int64"),
        suspended_given=(found["suspended_given"] == True).fillna(value=False).astype("bool"),  # noqa: E712
        target_id=found["target_id"].where(found["read"] | found["target_id"].notna(), number).astype("Int64"),
    )


def _are_members(rows: pd.DataFrame, members: pd.DataFrame) -> pd.Series:
    there = members[_KEY].drop_duplicates().astype({"account_id": "Int64"}).assign(there=True)
    found = rows[_KEY].merge(there, on=_KEY, how="left")["there"]
    return ((found) & rows["account_id"].notna().to_numpy()).fillna(value=False).astype("bool").set_axis(rows.index)


# ---- what was given --------------------------------------------------------------------------------------------------


def _given_rows(forth: pd.DataFrame, accounts: pd.DataFrame, standing: pd.DataFrame, known: _Known) -> pd.DataFrame:
    """Give the rows of what we gave to who has no row among those who belong."""
    access, under, given = known.access, known.under, known.given[known.given["ours"]]
    keys = forth[_KEY].dropna().astype({"account_id": "int64"}).assign(told=True)
    rows = given.merge(keys.drop_duplicates(), on=_KEY, how="left")
    rows = rows[rows["told"].isna()].drop(columns="told").astype({"account_id": "Int64"}).reset_index(drop=True)
    people = standing.dropna(subset="account_id").drop_duplicates("account_id")
    rows = rows.merge(people[["account_id", "row", "standing"]], on="account_id", how="left")
    ids = accounts[accounts["row"].notna()].drop_duplicates("row").set_index("row")
    rows["extern_id"] = ids["extern_id"].reindex(rows["row"]).set_axis(rows.index).fillna("").astype("str")
    if under.partial:
        rows = rows[rows["row"].notna()].reset_index(drop=True)
    rows = _with_target(rows.drop(columns="target_id").assign(number=rows["target_id"]), known.targets)
    rows["target_id"] = rows["target_id"].fillna(rows["number"].astype("Int64"))
    rows["there"] = _are_members(rows, known.members)
    rows["asked"] = _asked(rows, forth, under.asked)
    here = rows["row"].notna()
    left = ~here
    over = rows["idnumber"].isin(under.gone)
    sure = under.everyone_known | rows["idnumber"].isin(under.explained)
    standing_code = rows["standing"].fillna("").astype("str")
    waiting = here & (standing_code == AccessCode.NO_ACCOUNT.value)
    none = AccessAction.NONE
    choices: list[tuple[Any, Any, Any]] = [
        (rows["account_id"].isin(under.protected), none, AccessCode.PROTECTED),
        (here & standing_code.isin(_NOT_TOUCHED.values()), none, standing_code),
        (waiting, none, AccessCode.NO_ACCOUNT),
        (rows["target_code"].isin(_NOT_FOUND), none, AccessCode.TARGET_MISSING),
        (rows["read"] & ~rows["there"], none, AccessCode.GONE_ALREADY),
        (rows["asked"] != "", none, AccessCode.TARGET_ASKED),
        (np.full(len(rows), access.take_back is TakeBack.NEVER), none, AccessCode.NEVER_TAKEN_BACK),
        (left & (access.leavers is LeaverAccess.KEEP), none, AccessCode.LEAVER_KEEPS),
        (left & (not under.full), none, AccessCode.LEAVER_LATER),
        (left & ~sure, none, AccessCode.SOMEBODY_LEFT_OUT),
        (left & ~over, none, AccessCode.GRACE),
        (~rows["read"], none, AccessCode.NOT_LOOKED),
        (left, AccessAction.TAKE_BACK, AccessCode.LEFT),
        (np.full(len(rows), not under.list_whole), none, AccessCode.SOMEBODY_LEFT_OUT),
    ]
    rows = _decided(rows, choices, (AccessAction.TAKE_BACK, AccessCode.NO_LONGER))
    return rows.assign(role_id=0, value=rows["asked"].where(rows["code"] == AccessCode.TARGET_ASKED, ""))


def _asked(rows: pd.DataFrame, forth: pd.DataFrame, asked: Mapping[Target, frozenset[int]]) -> pd.Series:
    """Give for each row the name by which its account may belong there, which somebody must decide; '' where there is none."""
    some = forth[forth["account_id"].notna() & (forth["target_code"] == _ELSEWHERE)] if asked else forth.iloc[:0]
    names: dict[tuple[int, str, int], str] = {}
    for account, kind, name in some[_KEY].itertuples(index=False):
        names |= {(int(account), kind, number): name for number in asked.get((kind, name), ())}
    if not names:
        return pd.Series("", index=rows.index, dtype="str")
    keys = zip(rows["account_id"], rows["kind"], rows["target_id"], strict=True)
    found = ["" if pd.isna(key[0]) or pd.isna(key[2]) else names.get(key, "") for key in keys]
    return pd.Series(found, index=rows.index, dtype="str")


def _strangers(told: pd.DataFrame, standing: pd.DataFrame, known: _Known, forth: pd.DataFrame) -> pd.DataFrame:
    """Give the rows of who is in a cohort that is ours and does not belong there: on full runs only, for then all are known."""
    access, under = known.access, known.under
    rows = _with_target(known.members, known.targets).astype({"account_id": "Int64"})
    ours = (rows["kind"] == _COHORT) & rows["target"].isin(access.owned)
    if access.take_back is not TakeBack.OWNED or not under.full or not ours.any():
        return rows.iloc[:0]
    keys = told[_KEY].dropna().assign(told=True).drop_duplicates()
    rows = rows[ours].merge(keys, on=_KEY, how="left")
    rows = rows[rows["told"].isna()].drop_duplicates(_KEY).reset_index(drop=True)
    people = standing.dropna(subset="account_id").drop_duplicates("account_id")
    rows = rows.merge(people[["account_id", "row", "standing"]], on="account_id", how="left")
    idnumbers = rows["account_id"].map(lambda account: under.idnumbers.get(int(account), ""))
    rows["idnumber"] = idnumbers.fillna("").astype("str")
    standing_code = rows["standing"].fillna("").astype("str")
    rows["asked"] = _asked(rows, forth, under.asked)
    leaver = rows["row"].isna() & (rows["idnumber"] != "")
    sure = under.everyone_known | rows["idnumber"].isin(under.explained)
    none = AccessAction.NONE
    choices: list[tuple[Any, Any, Any]] = [
        (rows["account_id"].isin(under.protected), none, AccessCode.PROTECTED),
        (~rows["account_id"].isin(under.known), none, AccessCode.ACCOUNT_UNKNOWN),
        (standing_code != "", none, standing_code),
        (rows["asked"] != "", none, AccessCode.TARGET_ASKED),
        (np.full(len(rows), not under.list_whole), none, AccessCode.SOMEBODY_LEFT_OUT),
        (leaver & (access.leavers is LeaverAccess.KEEP), none, AccessCode.LEAVER_KEEPS),
        (leaver & ~sure, none, AccessCode.SOMEBODY_LEFT_OUT),
        (leaver & ~rows["idnumber"].isin(under.gone), none, AccessCode.GRACE),
    ]
    rows = _decided(rows, choices, (AccessAction.TAKE_BACK, AccessCode.DOES_NOT_BELONG))
    rows = rows.assign(timestart=0, timeend=0, suspended=False, role_id=0)
    return rows.assign(
        person_id="", extern_id="", role="", value=rows["asked"].where(rows["code"] == AccessCode.TARGET_ASKED, "")
    )


def _framed(rows: pd.DataFrame) -> pd.DataFrame:
    frame = rows[list(ACCESS_PLAN.names)].copy()
    return frame.astype(ACCESS_PLAN.dtypes)
