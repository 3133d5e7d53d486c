"""Safeguards: the limits on a plan that make it wait for a person's approval before its first write."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.contract.safe_text import plain
from moodle_coupling.matching.frames import WRITING_ACTIONS, Action
from moodle_coupling.matching.reasons import reasons_of
from moodle_coupling.people.arrow import as_mask, pa, pc, to_texts
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from moodle_coupling.mapping import Limit, Safeguards
    from moodle_coupling.people.arrow import Mask
    from moodle_coupling.words.sentence import Texts

FIRST_LOAD: Final = "first_load"
SOURCE_EMPTY: Final = "source_empty"
SOURCE_SHRUNK: Final = "source_shrunk"
LIMITS: Final = ("suspensions", "rekeys", "renames", "updates", "creates", "rejections")
"""The limits on counts of the plan, by their name in the mapping; what does most harm first."""

_UPDATES: Final = (Action.UPDATE.value, Action.REACTIVATE.value)
_WRITING: Final = frozenset(action.value for action in WRITING_ACTIONS)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a plan is measured by.

    ``links``: accounts that this environment has, as the ledger knows. ``persons_now``: persons in scope in the whole
    source, also on a run for a few; ``persons_before``: the same at the last run that ended well, None when there was
    none. ``ever_loaded``: some run of this environment ended well after writing.
    """

    links: int
    persons_now: int
    persons_before: int | None
    ever_loaded: bool


@dataclass(frozen=True, slots=True)
class Tripped:
    """One limit that the plan goes beyond, and a sentence that says so.

    ``share`` is ``count`` as part of ``total``; the limits are 0 where the safeguard has none.
    """

    code: str
    count: int
    total: int
    share: float
    limit_count: int
    limit_share: float
    said: Sentence


def evaluate(plan: pd.DataFrame, facts: Facts, safeguards: Safeguards) -> tuple[Tripped, ...]:
    """Give the limits that a plan (PLAN_COLUMNS) goes beyond; none means that it may be loaded at once.

    A plan that writes nothing trips nothing, except by a source that is empty or shrank: its smaller number of persons
    must not become what the next run is measured by. On the first load creates are not watched, since ``first_load`` is.
    """
    found = _source(facts, safeguards)
    writes = int(plan["action"].isin(_WRITING).sum())
    if not writes:
        return tuple(found)
    if safeguards.first_load and not facts.ever_loaded:
        found.append(_tripped(FIRST_LOAD, writes, facts, 0, 0.0))
    masks = _masks(plan)
    for code in LIMITS:
        limit: Limit | None = getattr(safeguards, code)
        count = int(masks[code].sum())
        unwatched = limit is None or (code == "creates" and not facts.ever_loaded)
        if not unwatched and limit is not None and is_beyond(count, _total(code, facts), limit):
            found.append(_tripped(code, count, facts, limit.count, limit.share))
    return tuple(found)


def rows_behind(plan: pd.DataFrame, code: str) -> pd.DataFrame:
    """Give the rows of the plan that a safeguard is about; none for one that is about the source."""
    if code == FIRST_LOAD:
        return plan[plan["action"].isin(_WRITING)]
    mask = _masks(plan).get(code)
    return plan.iloc[:0] if mask is None else plan[mask]


def sample(plan: pd.DataFrame, code: str, n: int = 10) -> pd.DataFrame:
    """Give at most ``n`` of the rows behind a safeguard, spread evenly over them, so that a page shows more than the top."""
    rows = rows_behind(plan, code)
    if len(rows) <= n:
        return rows
    return rows.iloc[[number * len(rows) // n for number in range(n)]]


def approval_body(plan: pd.DataFrame, tripped: tuple[Tripped, ...], texts: Texts, *, named: bool) -> str:
    """Give the page on which a person decides, in Markdown: the reasons, the counts, and for each reason some rows.

    Without ``named`` it holds ids and the names of fields only, no name, address or value: for places with readers and a
    lifetime that are not ours. Nothing of the source can become HTML, a link or markup in it.
    """
    parts = [*(f"* {texts.say(each.said)}" for each in tripped), ""]
    parts += [texts.say(Sentence("approval.rows", n=len(plan))), ""]
    parts += [*_counts(Sentence("approval.action"), plan["action"], _action, texts), ""]
    parts += _counts(Sentence("approval.verdict"), plan["verdict"], _verdict, texts)
    for each in tripped:
        rows = sample(plan, each.code)
        if len(rows):
            heading = Sentence(
                "approval.sample",
                what=Sentence(f"safeguard.{each.code}.name"),
                shown=len(rows),
                all=len(rows_behind(plan, each.code)),
            )
            parts += ["", f"## {texts.say(heading)}", "", *_listed(rows, texts, named=named)]
    return "\n".join(parts) + "\n"


def _action(action: str) -> Sentence:
    return Sentence(f"action.{action}")


def _verdict(verdict: str) -> Sentence:
    return Sentence(f"verdict.{verdict}" if verdict else "approval.unmatched")


def _counts(heading: Sentence, values: pd.Series[str], word: Callable[[str], Sentence], texts: Texts) -> Iterator[str]:
    yield f"| {texts.say(heading)} | {texts.say(Sentence('approval.number'))} |"
    yield "|---|---:|"
    for value, count in values.value_counts().items():
        yield f"| {plain(texts.say(word(str(value))))} | {texts.number(int(count))} |"


def _listed(rows: pd.DataFrame, texts: Texts, *, named: bool) -> Iterator[str]:
    for row in rows.to_dict("records"):
        who = row["person_id"] or row["extern_id"] or row["idnumber"]
        parts = [texts.say(Sentence("approval.person", id=plain(who)))] if who else []
        if str(row["account_id"]).isdigit():
            parts.append(texts.say(Sentence("approval.account", account=row["account_id"])))
        name = f" {row['firstname']} {row['lastname']}" if named else ""
        written = _written(row, texts, named=named)
        action = texts.say(_action(row["action"]))
        yield f"* {', '.join(parts)}{plain(name) and f' ({plain(name)})'}: {action}{written}"


def _written(row: dict[Any, Any], said: Texts, *, named: bool) -> str:
    if row["action"] == Action.REJECT:
        texts = [plain(said.say(one.said) if named else one.code) for one in reasons_of(row["reasons"])]
        return ", " + "; ".join(texts) if texts else ""
    changes = json.loads(row["changes"])
    if not named:
        return f" ({', '.join(map(plain, changes))})" if changes else ""
    texts = [
        f"{plain(field)} {_value(new)}" if old is None else f"{plain(field)} {_value(old)} → {_value(new)}"
        for field, (old, new) in changes.items()
    ]
    return f" ({', '.join(texts)})" if texts else ""


def _value(value: object) -> str:
    return f"'{plain(value)}'" if isinstance(value, str) else json.dumps(value)


def _source(facts: Facts, safeguards: Safeguards) -> list[Tripped]:
    before = facts.links if facts.persons_before is None else facts.persons_before
    lost = before - facts.persons_now
    if before <= 0 or lost <= 0:
        return []
    if facts.persons_now == 0 and safeguards.source_empty:
        return [_tripped(SOURCE_EMPTY, lost, facts, 0, 0.0)]
    limit = safeguards.source_shrunk
    if limit is None or facts.persons_before is None or lost / before < limit:
        return []
    return [_tripped(SOURCE_SHRUNK, lost, facts, 0, limit)]


def _masks(plan: pd.DataFrame) -> dict[str, pd.Series[bool]]:
    actions = plan["action"]
    there = actions.isin(_WRITING - {Action.CREATE.value})
    return {
        "creates": actions == Action.CREATE.value,
        "updates": actions.isin(_UPDATES),
        "suspensions": actions == Action.SUSPEND.value,
        "rekeys": there & _writes(plan["changes"], "idnumber"),
        "renames": there & _writes(plan["changes"], "username"),
        "rejections": actions == Action.REJECT.value,
    }


def _writes(changes: pd.Series[str], field: str) -> Mask:
    """Tell which changes write the field; only texts with the word in them are read as JSON."""
    texts = to_texts(changes)
    mask = as_mask(pc.match_substring(texts, f'"{field}"'))
    mask[mask] = [field in json.loads(text) for text in texts.filter(pa.array(mask)).to_pylist()]
    return mask


def _total(code: str, facts: Facts) -> int:
    """Give what the share is of: rejections happen to persons, all else to accounts."""
    if code in (SOURCE_EMPTY, SOURCE_SHRUNK):
        return facts.links if facts.persons_before is None else facts.persons_before
    if code == "rejections" or not facts.links:
        return facts.persons_now
    return facts.links


def _share(count: int, total: int) -> float:
    return count / total if total > 0 else float(count > 0)


def is_beyond(count: int, total: int, limit: Limit) -> bool:
    """Tell whether so many of a total go beyond a limit: more than its count, and more than its share."""
    return count > limit.count and _share(count, total) > limit.share


def _tripped(code: str, count: int, facts: Facts, limit_count: int, limit_share: float) -> Tripped:
    total = _total(code, facts)
    share = _share(count, total)
    shown = _shown(share, limit_share)
    if code in LIMITS:
        of_persons = code == "rejections" or not facts.links
        things = Sentence("safeguard.of_persons" if of_persons else "safeguard.of_accounts", n=total)
        limit = _limit(limit_count, limit_share)
        said = Sentence(f"safeguard.{code}", n=count, total=things, share=shown, limit=limit)
    else:
        said = Sentence(f"safeguard.{code}", n=count, total=total, share=shown, limit=limit_share)
    return Tripped(code, count, total, share, limit_count, limit_share, said)


def _limit(count: int, share: float) -> Sentence:
    if not share:
        return Sentence("safeguard.limit_count", count=count)
    if not count:
        return Sentence("safeguard.limit_share", share=share)
    return Sentence("safeguard.limit_both", count=count, share=share)


def _shown(share: float, limit: float) -> float:
    """Round a share to a tenth of a percent, or to what it takes to read otherwise than the limit, which it is not."""
    for digits in range(3, 8):
        if share == limit or round(share, digits) != round(limit, 3):
            break
    return round(share, digits)
