"""Safeguards on a plan of access: what waits for a person's approval, and what that person reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.contract.access import ACCESS_GIVES, ACCESS_WRITES, AccessAction
from moodle_coupling.contract.safe_text import plain
from moodle_coupling.matching.safeguards import Tripped
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    import pandas as pd

    from moodle_coupling.mapping import Limit
    from moodle_coupling.mapping.access import AccessSafeguards
    from moodle_coupling.words.sentence import Texts

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
    if safeguards.take_backs is not None and _beyond(len(back), total, safeguards.take_backs):
        found.append(_tripped(TAKE_BACKS, len(back), total, safeguards.take_backs))
    if safeguards.per_target is not None:
        found += _per_target(back, members, safeguards.per_target)
    return tuple(found)


def _per_target(back: pd.DataFrame, members: pd.DataFrame, limit: Limit) -> Iterator[Tripped]:
    now = members.groupby(["kind", "target"])["account_id"].nunique()
    sizes: Any = back.groupby(["kind", "target"]).size().items()
    for (kind, target), number in sizes:
        total = max(int(now.get((kind, target), 0)), int(number))
        if _beyond(int(number), total, limit):
            yield _tripped(PER_TARGET, int(number), total, limit, kind=str(kind), target=str(target))


def _beyond(count: int, total: int, limit: Limit) -> bool:
    return count > limit.count and (count / total if total else float(count > 0)) > limit.share


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
