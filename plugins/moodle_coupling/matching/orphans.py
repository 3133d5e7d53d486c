"""Orphans: accounts whose idnumber belongs to nobody who should be in this Moodle, and what the mapping's policy does with each.

They are looked at on full runs, or where a run asks for that account.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from moodle_coupling.contract.verdicts import Verdict
from moodle_coupling.mapping import LeaverPolicy
from moodle_coupling.matching.evidence import persons_in, persons_listed
from moodle_coupling.matching.questions import find_points
from moodle_coupling.matching.reasons import grouped
from moodle_coupling.matching.view import is_blank
from moodle_coupling.matching.written import Notes, of_each, quoted, sentences
from moodle_coupling.people.arrow import pa, same_text, taken, to_texts
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from numpy.typing import NDArray

    from moodle_coupling.mapping import Leavers
    from moodle_coupling.matching.frames import Remembered
    from moodle_coupling.matching.reasons import Judged
    from moodle_coupling.matching.view import Places, View
    from moodle_coupling.people.arrow import Mask, Texts

REKEYABLE: Final = (Verdict.ID_CASE, Verdict.ID_OTHER_SCHEME)


@dataclass(frozen=True)
class Orphans:
    """Orphans by place, ascending, with the text columns and flags of the match frame (matching/match.py)."""

    places: Places
    texts: dict[str, Texts]
    flags: dict[str, Mask]


def find_orphans(view: View, judged: Judged, *, only: Collection[int] | None = None) -> Orphans:
    """Give the orphans; ``only``: those of these account ids.

    ``explained``: a person of the source has the idnumber and is not in scope. ``question_open``: somebody points at it. An
    account that is a person's under another spelling or the other id is no orphan: its re-key is a question already.
    """
    keys = view.idnumbers
    inside = view.everyone["in_scope"].to_numpy(dtype=bool)
    orphan = ~is_blank(view.theirs("idnumber")) & ~keys.of(keys.everyone[inside])[keys.accounts] & ~view.protected
    if only is not None:
        orphan &= np.isin(view.ids, np.fromiter(only, dtype=np.int64))
    rekeyed = judged.accounts[judged.who(*REKEYABLE)]
    orphan[rekeyed[rekeyed >= 0]] = False

    asked = np.zeros(len(orphan), dtype=bool)
    asked[np.concatenate(judged.pointed)] = True
    if only is not None:
        asked[_asked_by_bystanders(view)] = True
    places = np.flatnonzero(orphan)
    former = _former(view, places)
    texts = {name: same_text("", len(places)) for name in ("proposal", "shared_field")}
    texts |= {name: taken(to_texts(view.everyone[name]), former) for name in ("person_id", "extern_id")}
    texts["idnumber"] = view.theirs("idnumber").take(pa.array(places))
    texts["verdict"] = same_text(Verdict.ORPHAN.value, len(places))
    texts["other_accounts"] = same_text("[]", len(places))
    texts["evidence"] = _evidence(view, places, former)
    nothing = np.zeros(len(places), dtype=bool)
    flags = {"question_open": asked[places], "explained": former >= 0, "may_link": nothing, "email_kept": nothing}
    return Orphans(places, texts, flags)


def _asked_by_bystanders(view: View) -> Places:
    """Give the accounts at which somebody may point who is not looked at in this run."""
    rows = view.everyone["row"].to_numpy()
    inside = view.everyone["in_scope"].to_numpy(dtype=bool)
    others = pa.array(np.flatnonzero(inside & ~np.isin(rows, view.persons["row"].to_numpy())))
    return find_points(lambda name: to_texts(view.everyone[name]).take(others), view).accounts


def _outside(view: View) -> Places:
    return np.flatnonzero(~view.everyone["in_scope"].to_numpy(dtype=bool))


def _former(view: View, orphans: Places) -> Places:
    """Give the place among everyone of the first person by row, who is out of scope, behind each orphan; -1 for none."""
    keys, outside = view.idnumbers, _outside(view)
    first = np.full(len(keys.counts), -1, dtype=np.intp)
    first[keys.everyone[outside][::-1]] = outside[::-1]
    return first[keys.accounts[orphans]]


def _evidence(view: View, orphans: Places, former: Places) -> Texts:
    """Say of each orphan whose it is no more: of whoever left or is not in scope, else of nobody."""
    named = view.accounts_named(orphans)
    idnumbers = quoted(view.theirs("idnumber").take(pa.array(orphans)))
    evidence = Notes(len(orphans), sentences("evidence.orphan", account=named, idnumber=idnumbers))
    some = np.flatnonzero(former >= 0)
    if not len(some):
        return evidence.texts()
    keys, outside = view.idnumbers, _outside(view)
    mask = keys.of(keys.accounts[orphans[some]])[keys.everyone[outside]]
    outside = outside[mask]
    names = persons_in(view.everyone.iloc[outside])
    by_key = grouped(keys.everyone[outside], np.arange(len(outside)))
    inactive = view.everyone["inactive"].to_numpy(dtype=bool)[former[some]]
    said = [
        Sentence(
            "evidence.orphan_left" if left else "evidence.orphan_outside",
            n=len(by_key[key]),
            account=view.account(a),
            idnumber=idnumber,
            persons=persons_listed([names[at] for at in by_key[key]]),
        )
        for left, key, a, idnumber in zip(
            inactive.tolist(),
            keys.accounts[orphans[some]].tolist(),
            orphans[some].tolist(),
            view.theirs("idnumber").take(pa.array(orphans[some])).to_pylist(),
            strict=True,
        )
    ]
    evidence.put(some, of_each(said))
    return evidence.texts()


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


def fates_of(
    ids: NDArray[np.int64], flags: Mapping[str, Mask], known: Remembered, leavers: Leavers, *, everyone_known: bool
) -> Iterator[tuple[Fate, Places]]:
    """Give each fate there is, and the numbers of the orphans that have it; ``flags`` are the truths of Leaver, ``ids`` ascend."""
    since = np.zeros(len(ids), dtype=np.int64)
    moments = sorted(set(known.gone_since.values()))
    gone = np.fromiter(known.gone_since, dtype=np.int64, count=len(known.gone_since))
    there = np.flatnonzero(np.isin(ids, gone))
    number_of = {moment: number for number, moment in enumerate(moments, start=1)}
    since[there] = [number_of[known.gone_since[id_]] for id_ in ids[there].tolist()]
    alike = since
    for mask in flags.values():
        alike = alike * 2 + mask
    for kind in np.unique(alike).tolist():
        which = np.flatnonzero(alike == kind)
        first = which[0]
        leaver = Leaver(
            **{name: bool(mask[first]) for name, mask in flags.items()},
            since=moments[since[first] - 1] if since[first] else None,
        )
        yield fate_of(leaver, leavers, known.now, everyone_known=everyone_known), which


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
