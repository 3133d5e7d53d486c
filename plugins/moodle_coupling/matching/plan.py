"""The plan: what a run intends for every person and orphan, what changes, and why."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from moodle_coupling.contract.fields import CREATE_FIELDS, NAME_FIELDS, PROFILE_PREFIX
from moodle_coupling.contract.frames import PLAN
from moodle_coupling.contract.verdicts import KEPT_UP, Verdict
from moodle_coupling.matching.changes import (
    Changes,
    Drift,
    add_create,
    final_usernames,
    further_fields,
    to_rename,
    to_write,
    with_types,
)
from moodle_coupling.matching.evidence import evidence_of
from moodle_coupling.matching.frames import SUSPEND, Action, Remembered
from moodle_coupling.matching.match import match_view
from moodle_coupling.matching.obedience import NOT_POSSIBLE, Obeyed, obey
from moodle_coupling.matching.orphans import fates_of
from moodle_coupling.matching.reasons import VERDICT_CODES, Reasons, verdict_numbers, verdict_texts
from moodle_coupling.matching.view import View, make_view
from moodle_coupling.matching.written import Notes, followed, quoted, sentences
from moodle_coupling.people.arrow import (
    at_once,
    choose,
    collector_at_rest,
    equal,
    is_in,
    pa,
    same_text,
    stacked,
    taken,
    to_series,
    to_texts,
)
from moodle_coupling.people.arrow import is_blank as is_nothing
from moodle_coupling.words.sentence import Sentence, after

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from collections.abc import Mapping as Mapping_

    from moodle_coupling.mapping import Mapping
    from moodle_coupling.matching.view import Places
    from moodle_coupling.people.arrow import Mask, Texts

_ACTIONS: Final = tuple(map(str, Action))
_ACTION_CODES: Final = {action: number for number, action in enumerate(_ACTIONS)}
_UPDATED_BY_DECISION: Final = (Action.LINK, Action.UPDATE, Action.REACTIVATE)


@collector_at_rest()
def make_plan(  # noqa: PLR0913  # each is a frame or a fact of its own
    candidates: pd.DataFrame,
    reasons: pd.DataFrame,
    accounts: pd.DataFrame,
    mapping: Mapping,
    *,
    remembered: Remembered | None = None,
    service_userid: int | None = None,
    full: bool = False,
    bystanders: pd.DataFrame | None = None,
    account_ids: Collection[int] = (),
    everyone_known: bool = True,
    profile_types: Mapping_[str, str] | None = None,
    unreadable: Collection[tuple[str, str]] = (),
) -> pd.DataFrame:
    """Give the plan (PLAN): persons in scope by row, then (``full``) orphans by account id.

    ``candidates``, ``reasons`` and ``accounts`` are the frames of contract/frames.py. ``remembered`` is what the
    ledger knows; without it nobody is suspended or reactivated. ``account_ids``: orphans among these accounts have rows
    though the run is not full. ``everyone_known``: False when the source left somebody out.
    ``bystanders`` are further candidates of the source, who get no row and whose accounts were not read: an account that
    somebody points at may be theirs.
    ``profile_types``: the types of profile fields that the site shows, by shortname.
    ``unreadable``: (field, value) of accounts that are there and that Moodle cannot show.
    The order of the rows of what goes in changes nothing, and no account is written by more than one row.
    """
    known = remembered or Remembered()
    typed = with_types(candidates, reasons, accounts, mapping, profile_types or {})
    candidates, reasons, accounts = typed.candidates, typed.reasons, typed.accounts
    view = make_view(
        candidates,
        accounts,
        mapping,
        reasons=reasons,
        links=known.links,
        service_userid=service_userid,
        bystanders=bystanders,
        protections=known.protections,
        unreadable=unreadable,
    )
    obeyed = obey(view, match_view(view, full=full, account_ids=account_ids), known.decided)
    draft = _Draft.start(view, obeyed, reasons, Drift(view, known, len(obeyed.frame)))
    del obeyed, typed, candidates, accounts
    view.forget_folded()
    draft.plan_creates()
    draft.plan_updates()
    # Whose id was spoilt on the way may be any account's person.
    everyone_known = everyone_known and not equal(to_texts(reasons["code"]), "idnumber_spoilt").any()
    draft.plan_orphans(known, everyone_known=everyone_known)
    draft.plan_decided()
    del view
    return draft.finished()


@dataclass
class _Draft:
    """A plan in the making; the row numbers of all parts are those of ``frame``, persons first.

    ``accounts`` are the places of the rows' accounts, -1 for none; ``verdicts`` and ``actions`` are numbers. ``given`` are the
    reasons of the persons in scope, and ``given_at`` the rows that they are of.
    """

    view: View
    frame: pd.DataFrame
    accounts: Places
    verdicts: np.ndarray
    actions: np.ndarray
    usernames: Notes
    evidence: Notes
    proposal: Notes
    given: pd.DataFrame
    given_at: Places
    changes: Changes
    reasons: Reasons
    drift: Drift

    @classmethod
    def start(cls, view: View, obeyed: Obeyed, given: pd.DataFrame, drift: Drift) -> _Draft:
        frame, length = obeyed.frame, len(obeyed.frame)
        ids = frame["account_id"].to_numpy(dtype=np.int64, na_value=-1)
        places = np.minimum(np.searchsorted(view.ids, ids), max(len(view.ids) - 1, 0))
        accounts = np.where(view.ids[places] == ids, places, -1) if len(view.ids) else np.full(length, -1)
        rows = view.persons["row"].to_numpy(dtype=np.int64)
        of_given = given["row"].to_numpy(dtype=np.int64)
        mine = np.isin(of_given, rows)
        draft = cls(
            view=view,
            frame=frame,
            accounts=accounts,
            verdicts=verdict_numbers(to_texts(frame["verdict"])),
            actions=np.full(length, _ACTION_CODES[Action.NONE], dtype=np.int8),
            usernames=Notes(length, taken(view.theirs("username"), accounts)),
            evidence=Notes(length, to_texts(frame["evidence"])),
            proposal=Notes(length, to_texts(frame["proposal"])),
            given=given[mine],
            given_at=np.searchsorted(rows, of_given[mine]),
            changes=Changes(length),
            reasons=Reasons(length),
            drift=drift,
        )
        draft.reasons.add_given(draft.given, draft.given_at)
        draft.reasons.add_verdicts(draft.verdicts, draft.evidence.texts(), draft.text("shared_field"))
        draft._tell_impossible(obeyed)
        draft.frame = frame.drop(columns=["verdict", "evidence", "proposal", "shared_field"])
        draft._reject()
        return draft

    def text(self, name: str, rows: Places | None = None) -> Texts:
        """Give a column of the match frame, of all rows or some."""
        texts = to_texts(self.frame[name])
        return texts if rows is None else texts.take(pa.array(rows))

    def mine(self, name: str, persons: Places) -> Texts:
        """Give a column of some persons."""
        return self.view.mine(name).take(pa.array(persons))

    def _where(self, *verdicts: Verdict) -> Mask:
        return np.isin(self.verdicts, [VERDICT_CODES[verdict] for verdict in verdicts])

    def _forced(self, *actions: Action) -> Mask:
        """Tell which rows have an action that was decided on."""
        return is_in(self.text("forced"), map(str, actions))

    def _act(self, rows: Places | Mask, action: Action) -> None:
        self.actions[rows] = _ACTION_CODES[action]

    @cached_property
    def _is_person(self) -> Mask:
        mask: Mask = self.frame["row"].notna().to_numpy(dtype=bool)
        return mask

    def _tell_impossible(self, obeyed: Obeyed) -> None:
        for at, why in obeyed.impossible.items():
            self.reasons.add(at, NOT_POSSIBLE, "", why)
            row = self.frame.loc[at].to_dict() | {
                "username": taken(self.view.theirs("username"), self.accounts[[at]])[0].as_py()
            }
            written = row["evidence"] or evidence_of(row).written()
            self.evidence.put(np.array([at]), after(written, why))

    def _reject(self) -> None:
        unmatched = self.verdicts == VERDICT_CODES[""]
        self._tell_disagreement(unmatched)
        self._act(unmatched | self._where(Verdict.DUPLICATE_PERSON), Action.REJECT)
        silent = np.flatnonzero(unmatched & ~self.reasons.any())
        self.reasons.add_all(silent, "idnumber_missing", "idnumber", Sentence("reason.no_idnumber").written())

    def _tell_disagreement(self, unmatched: Mask) -> None:
        """Make a mismatch of each person on whom the sources do not agree: nothing is written, and somebody must judge."""
        some = np.flatnonzero(equal(to_texts(self.given["code"]), Verdict.SOURCES_DISAGREE))
        _, first = np.unique(self.given_at[some], return_index=True)
        some = some[first]
        some = some[unmatched[self.given_at[some]]]
        at = self.given_at[some]
        self.verdicts[at] = VERDICT_CODES[Verdict.SOURCES_DISAGREE]
        self.evidence.put(at, to_texts(self.given["said"]).take(pa.array(some)))

    def plan_creates(self) -> None:
        """Give new persons a username and all their fields; reject whom Moodle would refuse."""
        new = self._where(Verdict.NEW) | self._forced(Action.CREATE)
        stopped = np.zeros(len(self.frame), dtype=bool)
        stopped[self.given_at[~is_nothing(to_texts(self.given["blocks"]))]] = True
        stopped |= self._incomplete(np.flatnonzero(new & ~stopped))
        self._act(new & stopped, Action.REJECT)
        created = np.flatnonzero(new & ~stopped)
        self._act(created, Action.CREATE)
        renamed = self._renamed()
        named = np.union1d(created, renamed)
        names = final_usernames(self.view, named)
        of_created = names.take(pa.array(np.searchsorted(named, created)))
        self._explain_numbers(created, of_created)
        self.usernames.put(created, of_created)

        def column(field: str) -> Texts:
            return of_created if field == "username" else self.mine(field, created)

        fields = [*CREATE_FIELDS, *further_fields(self.view.persons)]
        add_create(self.changes, created, fields, column, self.view.mapping)
        written = self._written
        self.drift.note_usernames(self.view, written, self.accounts[written], renamed=np.isin(written, renamed))
        present = self.view.theirs("username").take(pa.array(self.accounts[renamed]))
        of_renamed = names.take(pa.array(np.searchsorted(named, renamed)))
        self.changes.add(renamed, "username", present, of_renamed)
        self.usernames.put(renamed, of_renamed)

    def _incomplete(self, new: Places) -> Mask:
        """Find new persons without a field that Moodle demands, of whom the source's rules said nothing."""
        found = np.zeros(len(self.frame), dtype=bool)
        for field in CREATE_FIELDS:
            at = new[is_nothing(self.mine(field, new))]
            found[at] = True
            self.reasons.add_all(at, f"{field}_missing", field, Sentence(f"reason.{field}_needed").written())
        return found

    def _explain_numbers(self, created: Places, names: Texts) -> None:
        bases = self.mine("username", created)
        other = ~equal(names, bases)
        if not other.any():
            return
        some, mask = created[other], pa.array(other)
        named = {"base": quoted(bases.filter(mask)), "name": quoted(names.filter(mask))}
        evidence, idnumbers = self.evidence.texts().take(pa.array(some)), quoted(self.text("idnumber", some))
        alone = sentences("evidence.new_numbered", idnumber=idnumbers, **named)
        told = followed(evidence, sentences("evidence.numbered", **named))
        self.evidence.put(some, choose(is_nothing(evidence), alone, told))

    @cached_property
    def _written(self) -> Places:
        """Persons whose existing account is brought up to date."""
        written = self._where(*KEPT_UP) | self.frame["may_link"].to_numpy() | self._forced(*_UPDATED_BY_DECISION)
        return np.flatnonzero(written & self._is_person)

    def _renamed(self) -> Places:
        some = self._written[~self._with_reason("username", blocking=True)[self._written]]
        return some[to_rename(self.view, some, self.accounts[some])]

    def _with_reason(self, field: str, *, blocking: bool) -> Mask:
        """Tell which rows of the plan have a (blocking) reason on that field."""
        some = equal(to_texts(self.given["field"]), field)
        if blocking:
            some &= ~is_nothing(to_texts(self.given["blocks"]))
        mask = np.zeros(len(self.frame), dtype=bool)
        mask[self.given_at[some]] = True
        return mask

    def plan_updates(self) -> None:
        """Write what differs to linked accounts, and the idnumber to those that the mapping allows to link."""
        written = self._written
        accounts = pa.array(self.accounts[written])
        self._tell_kept_emails(written)
        for field in [*NAME_FIELDS, *further_fields(self.view.persons)]:
            if field not in self.view.accounts and not field.startswith(PROFILE_PREFIX):
                continue  # not read, which is not the same as empty; Moodle shows no profile field that is
            old, new = self.view.theirs(field).take(accounts), self.mine(field, written)
            barred = self._with_reason(field, blocking=True)[written]
            if field == "email":
                barred |= self.frame["email_kept"].to_numpy()[written]
            remarked = self._with_reason(field, blocking=False)[written]
            where = to_write(field, old, new, self.view.mapping, barred=barred, remarked=remarked)
            mask = pa.array(where)
            self.changes.add(written[where], field, old.filter(mask), new.filter(mask))
            self.drift.note(field, written, old, new, barred=barred, written=where)
        self._link()
        self._reactivate()
        self._act((self.actions == _ACTION_CODES[Action.NONE]) & self.changes.any(), Action.UPDATE)

    def _tell_kept_emails(self, written: Places) -> None:
        """Say it where the verdict does not: of those who returned while their new address is another's."""
        kept = self.frame["email_kept"].to_numpy() & ~self._where(Verdict.EMAIL_TAKEN)
        some = written[kept[written]]
        emails, holders = self.mine("email", some).to_pylist(), self.text("holders", some).to_pylist()
        for at, email, others in zip(some.tolist(), emails, holders, strict=True):
            said = Sentence("evidence.email_kept", email=email, accounts=others[1:-1])
            self.reasons.add(at, Verdict.EMAIL_TAKEN.value, "email", said)

    def _link(self) -> None:
        linked = np.flatnonzero(self.frame["may_link"].to_numpy() | self._forced(Action.LINK))
        self._act(linked, Action.LINK)
        present = self.view.theirs("idnumber").take(pa.array(self.accounts[linked]))
        self.changes.add(linked, "idnumber", present, self.text("idnumber", linked))

    def _reactivate(self) -> None:
        returned = np.flatnonzero(self._where(Verdict.RETURNED) | self._forced(Action.REACTIVATE))
        self._act(returned, Action.REACTIVATE)
        self.changes.add_flag(returned, "suspended", "true, false")

    def plan_orphans(self, known: Remembered, *, everyone_known: bool) -> None:
        """Do with orphans what the mapping's leaver policy says, and say why not where it is not done."""
        orphans = np.flatnonzero(self._where(Verdict.ORPHAN) & is_nothing(self.text("forced")))
        flags = {
            "asked": self.frame["question_open"].to_numpy()[orphans],
            "suspended": self.view.suspended[self.accounts[orphans]],
            "ours": self.view.linked_by_us[self.accounts[orphans]],
            "explained": self.frame["explained"].to_numpy()[orphans],
        }
        ids, evidence = self.view.ids[self.accounts[orphans]], self.evidence.texts()
        for fate, which in fates_of(ids, flags, known, self.view.mapping.leavers, everyone_known=everyone_known):
            some = orphans[which]
            told = evidence.take(pa.array(some))
            if fate.why:
                told = followed(told, same_text(fate.why.written(), len(some)))
            self.reasons.add_all(some, Verdict.ORPHAN.value, "idnumber", told)
            if fate.suspend:
                self._suspend(some)
            if fate.listed:
                self.proposal.put(some, SUSPEND)
            if fate.for_now:
                self.evidence.put(some, told)

    def plan_decided(self) -> None:
        """Suspend what was decided on, and take an idnumber off the accounts that must not keep it."""
        self._suspend(np.flatnonzero(self._forced(Action.SUSPEND)))
        freed = np.flatnonzero(~self._is_person & self._forced(Action.UPDATE))
        self._act(freed, Action.UPDATE)
        present = self.view.theirs("idnumber").take(pa.array(self.accounts[freed]))
        self.changes.add(freed, "idnumber", present, same_text("", len(freed)))

    def _suspend(self, at: Places) -> None:
        self._act(at, Action.SUSPEND)
        self.changes.add_flag(at, "suspended", "false, true")

    def finished(self) -> pd.DataFrame:
        """Give the plan (PLAN)."""
        others = self.accounts[len(self.view.persons) :]
        names = {name: stacked(self.view.mine(name), taken(self.view.theirs(name), others)) for name in NAME_FIELDS}
        del self.view  # nothing needs it any more, and the plan takes as much
        texts: dict[str, Callable[[], Texts]] = {
            "verdict": lambda: verdict_texts(self.verdicts),
            "action": lambda: pa.array(_ACTIONS, type=pa.large_string()).take(pa.array(self.actions)),
            "username": self.usernames.texts,
            "changes": self.changes.texts,
            "reasons": self.reasons.texts,
            "evidence": self.evidence.texts,
            "proposal": self.proposal.texts,
            "drift": self.drift.texts,
        }
        columns = names | dict(zip(texts, map(to_series, at_once(texts.values())), strict=True))
        return pd.DataFrame({name: columns[name] if name in columns else self.frame[name] for name in PLAN.names})
