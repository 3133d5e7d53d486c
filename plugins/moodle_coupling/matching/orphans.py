"""Orphans: accounts whose idnumber belongs to nobody who should be in this Moodle, and what the mapping's policy does with each.

They are looked at on full runs, or where a run asks for that account.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pandas as pd

from moodle_coupling.contract.verdicts import Verdict
from moodle_coupling.mapping import LeaverPolicy
from moodle_coupling.matching.compare import is_blank
from moodle_coupling.matching.evidence import persons_in, persons_listed
from moodle_coupling.matching.questions import find_points
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Collection

    from moodle_coupling.mapping import Leavers
    from moodle_coupling.matching.view import View

REKEYABLE: Final = frozenset({Verdict.ID_CASE, Verdict.ID_OTHER_SCHEME})


def find_orphans(
    view: View, judged: pd.DataFrame, points: pd.DataFrame, *, only: Collection[int] | None = None
) -> pd.DataFrame:
    """Give one row per orphan, by account's index label: ``a``, ``verdict``, ``evidence``, ids, ``question_open``, ``explained``.

    ``only``: those of these account ids. ``explained``: a person of the source has the idnumber and is not in scope.
    ``judged`` are the persons' verdicts (``a``, ``verdict``, ``others``); ``points`` who points at which account. An
    account that is a person's under another spelling or the other id is no orphan: its re-key is a question already.
    """
    idnumbers = view.accounts["idnumber"]
    somebodys = view.everyone.loc[view.everyone["in_scope"], "idnumber"]
    orphan = ~is_blank(idnumbers) & ~idnumbers.isin(somebodys) & (view.protected == "")
    if only is not None:
        orphan &= view.accounts["id"].isin(list(only))
    rekeyed = judged.loc[judged["verdict"].isin(REKEYABLE), "a"].dropna()
    orphan &= ~idnumbers.index.isin(rekeyed)
    accounts = view.accounts[orphan]

    asked = set(points["a"])
    asked.update(a for found in judged["others"] for a in found)
    if only is not None:
        asked.update(_asked_by_bystanders(view, accounts))
    frame = pd.DataFrame({"a": accounts.index.astype("int64")}, index=accounts.index)
    frame["question_open"] = frame["a"].isin(asked)
    former, why = _former(view, accounts["idnumber"])
    for name in ("person_id", "extern_id"):
        frame[name] = former[name].reindex(accounts["idnumber"]).fillna("").to_numpy()
    frame["idnumber"] = accounts["idnumber"]
    frame["verdict"] = Verdict.ORPHAN.value
    frame["explained"] = accounts["idnumber"].isin(list(why)).to_numpy()
    evidence = [
        _sentence(view.account(a), idnumber, why.get(idnumber))
        for a, idnumber in zip(frame["a"], frame["idnumber"], strict=True)
    ]
    frame["evidence"] = pd.Series(evidence, index=frame.index, dtype="str")
    return frame


def _sentence(account: Sentence, idnumber: str, former: tuple[str, list[str | Sentence]] | None) -> str:
    if former is None:
        return Sentence("evidence.orphan", account=account, idnumber=idnumber).written()
    code, names = former
    return Sentence(code, n=len(names), account=account, idnumber=idnumber, persons=persons_listed(names)).written()


def _asked_by_bystanders(view: View, accounts: pd.DataFrame) -> set[int]:
    """Give the accounts at which somebody may point who is not looked at in this run."""
    others = view.everyone[view.everyone["in_scope"] & ~view.everyone["row"].isin(view.persons["row"])]
    return set(find_points(others.reset_index(drop=True), accounts, view.mapping)["a"])


def _former(view: View, idnumbers: pd.Series[str]) -> tuple[pd.DataFrame, dict[str, tuple[str, list[str | Sentence]]]]:
    """Ids of the out-of-scope person (the first by row) behind an idnumber; why it is an orphan, and who all have it."""
    out = view.everyone[~view.everyone["in_scope"] & view.everyone["idnumber"].isin(set(idnumbers))]
    names: dict[str, list[str | Sentence]] = {}
    for idnumber, name in zip(out["idnumber"], persons_in(out), strict=True):
        names.setdefault(str(idnumber), []).append(name)
    first = out.drop_duplicates("idnumber").set_index("idnumber")
    why = {
        str(idnumber): ("evidence.orphan_left" if inactive else "evidence.orphan_outside", names[str(idnumber)])
        for idnumber, inactive in first["inactive"].items()
    }
    return first, why


@dataclass(frozen=True, slots=True)
class Leaver:
    """One orphan: whether a person points at it, whether it is suspended, ours (made or linked by this coupling), and
    whether the source has its person, who is not in scope; ``since`` when it is an orphan (UTC), None: since now.
    """  # noqa: D205

    asked: bool
    suspended: bool
    ours: bool
    explained: bool
    since: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of an orphan: ``suspend`` it, or leave it, and ``why``.

    ``listed``: a human must judge it. ``for_now``: the policy would suspend it, and a later run may.
    """

    why: Sentence | None = None
    listed: bool = False
    for_now: bool = False

    @property
    def suspend(self) -> bool:
        """Whether the mapping's policy suspends it in this plan."""
        return self.why is None


def fate_of(leaver: Leaver, leavers: Leavers, now: dt.datetime | None, *, everyone_known: bool) -> Fate:
    """Say what the policy does with one orphan; days of grace are whole days."""
    for holds, code in (
        (leaver.asked, "leaver.asked_about"),
        (leavers.policy == LeaverPolicy.IGNORE, "leaver.ignored"),
        (leaver.suspended, "leaver.suspended"),
    ):
        if holds:
            return Fate(Sentence(code))
    if leavers.policy == LeaverPolicy.REPORT:
        return Fate(Sentence("leaver.reported"), listed=True)
    if not leaver.ours:
        return Fate(Sentence("leaver.not_ours"), listed=True)
    if not (everyone_known or leaver.explained):
        return Fate(Sentence("leaver.somebody_left_out"), for_now=True)
    return _by_days(leaver, leavers, now)


def _by_days(leaver: Leaver, leavers: Leavers, now: dt.datetime | None) -> Fate:
    if leavers.grace_days == 0:
        return Fate()
    if now is None:
        return Fate(Sentence("leaver.since_unknown", days=leavers.grace_days), for_now=True)
    since = leaver.since or now
    if (now - since).days >= leavers.grace_days:
        return Fate()
    day = since + dt.timedelta(days=leavers.grace_days)
    return Fate(Sentence("leaver.grace", since=f"{since:%Y-%m-%d}", day=f"{day:%Y-%m-%d}"), for_now=True)
