"""The plan: what a run intends for every person and orphan, what changes, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from moodle_coupling.contract.fields import CREATE_FIELDS, NAME_FIELDS, PROFILE_PREFIX
from moodle_coupling.contract.frames import PLAN
from moodle_coupling.contract.verdicts import KEPT_UP, Verdict
from moodle_coupling.matching.changes import (
    Changes,
    add_create,
    further_fields,
    to_write,
)
from moodle_coupling.matching.drift import Drift
from moodle_coupling.matching.evidence import evidence_of
from moodle_coupling.matching.frames import SUSPEND, Action
from moodle_coupling.matching.match import match_view
from moodle_coupling.matching.names import final_usernames, to_rename
from moodle_coupling.matching.obedience import NOT_POSSIBLE, Obeyed, obey
from moodle_coupling.matching.orphans import Leaver, fate_of
from moodle_coupling.matching.profile import with_types
from moodle_coupling.matching.reasons import Reasons
from moodle_coupling.matching.remembered import Remembered
from moodle_coupling.matching.view import View, make_view
from moodle_coupling.words.sentence import Sentence, after

if TYPE_CHECKING:
    from collections.abc import Collection
    from collections.abc import Mapping as Mapping_

    import numpy.typing as npt

    from moodle_coupling.mapping import Mapping

_UPDATED_BY_DECISION: Final = (Action.LINK, Action.UPDATE, Action.REACTIVATE)


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
    draft = _Draft.start(view, obeyed, reasons, Drift.of(view, known))
    draft.plan_creates()
    draft.plan_updates()
    # Whose id was spoilt on the way may be any account's person.
    everyone_known = everyone_known and "idnumber_spoilt" not in set(reasons["code"])
    draft.plan_orphans(known, everyone_known=everyone_known)
    draft.plan_decided()
    return draft.finished()


@dataclass
class _Draft:
    """A plan in the making; the row numbers of all parts are those of ``frame``, persons first."""

    view: View
    frame: pd.DataFrame
    given: pd.DataFrame
    changes: Changes
    reasons: Reasons
    drift: Drift

    @classmethod
    def start(cls, view: View, obeyed: Obeyed, given: pd.DataFrame, drift: Drift) -> _Draft:
        frame = obeyed.frame.assign(action=Action.NONE.value)
        at_account = pd.Series(view.accounts.index, index=view.accounts["id"])
        frame["a"] = frame["account_id"].map(at_account).astype("Int64")
        known = view.accounts.reindex(frame["a"].fillna(-1).astype("int64")).set_axis(frame.index)
        persons = len(view.persons)
        frame["username"] = known["username"].fillna("").astype("str")
        for name in NAME_FIELDS:
            theirs = known[name].fillna("").astype("str") if name in known else pd.Series("", index=frame.index)
            frame[name] = pd.concat([view.persons[name], theirs.iloc[persons:]]).astype("str")
        positions = pd.Series(view.persons.index, index=view.persons["row"])
        mine = given[given["row"].isin(positions.index)]
        draft = cls(view, frame, mine, Changes(len(frame)), Reasons(len(frame)), drift)
        draft.given = draft.given.assign(at=draft.given["row"].map(positions))
        draft.reasons.add_given(draft.given)
        draft.reasons.add_verdicts(frame["verdict"], frame["evidence"], frame["shared_field"])
        for at, why in obeyed.impossible.items():
            draft.reasons.add(at, NOT_POSSIBLE, "", why)
            written = frame["evidence"][at] or evidence_of(frame.loc[at].to_dict()).written()
            frame.loc[at, "evidence"] = after(written, why)
        draft._reject()
        return draft

    def _reject(self) -> None:
        unmatched = self.frame["verdict"] == ""
        self._tell_disagreement(unmatched)
        rejected = unmatched | (self.frame["verdict"] == Verdict.DUPLICATE_PERSON)
        self.frame.loc[rejected, "action"] = Action.REJECT.value
        for at in self.frame.index[unmatched]:
            if not self.reasons.has(at):
                self.reasons.add(at, "idnumber_missing", "idnumber", Sentence("reason.no_idnumber"))

    def _tell_disagreement(self, unmatched: pd.Series[bool]) -> None:
        """Make a mismatch of each person on whom the sources do not agree: nothing is written, and somebody must judge."""
        said = self.given[self.given["code"] == Verdict.SOURCES_DISAGREE].drop_duplicates("at").set_index("at")["said"]
        said = said[unmatched[said.index].to_numpy()]
        self.frame.loc[said.index, "verdict"] = Verdict.SOURCES_DISAGREE.value
        self.frame.loc[said.index, "evidence"] = said

    def plan_creates(self) -> None:
        """Give new persons a username and all their fields; reject whom Moodle would refuse."""
        new = self.frame.index[(self.frame["verdict"] == Verdict.NEW) | (self.frame["forced"] == Action.CREATE)]
        stopped = set(self.given.loc[self.given["blocks"] != "", "at"])
        stopped |= self._incomplete(new[~new.isin(stopped)])
        rejected = new[new.isin(stopped)]
        self.frame.loc[rejected, "action"] = Action.REJECT.value
        created = new.difference(rejected)
        self.frame.loc[created, "action"] = Action.CREATE.value
        renamed = self._renamed()
        names = final_usernames(self.view, created.union(renamed))
        self._explain_numbers(names.loc[created])
        self.frame.loc[created, "username"] = names.loc[created]
        add_create(
            self.changes,
            self.view.persons.loc[created].assign(username=names.loc[created]),
            created.to_numpy(),
            self.view.mapping,
        )
        written = self._written()
        self.drift.note_usernames(
            self.frame["username"].loc[written],
            self.view.persons["idnumber"].loc[written],
            written=written.isin(renamed),
        )
        present = self.frame.loc[renamed, "username"]
        self.changes.add(renamed, "username", present, names.loc[renamed])
        self.frame.loc[renamed, "username"] = names.loc[renamed]

    def _incomplete(self, new: pd.Index[int]) -> set[int]:
        """Find new persons without a field that Moodle demands, of whom the source's rules said nothing."""
        found: set[int] = set()
        for field in CREATE_FIELDS:
            values = self.view.persons[field].loc[new]
            for at in new[(values == "").to_numpy()]:
                found.add(at)
                self.reasons.add(at, f"{field}_missing", field, Sentence(f"reason.{field}_needed"))
        return found

    def _explain_numbers(self, names: pd.Series[str]) -> None:
        bases = self.view.persons["username"].loc[names.index]
        numbered = names.index[(names != bases).to_numpy()]
        given = (self.frame.loc[numbered, "evidence"], self.frame.loc[numbered, "idnumber"])
        evidence = [
            after(written, Sentence("evidence.numbered", base=base, name=name))
            if written
            else Sentence("evidence.new_numbered", idnumber=idnumber, base=base, name=name).written()
            for written, idnumber, base, name in zip(*given, bases[numbered], names[numbered], strict=True)
        ]
        self.frame.loc[numbered, "evidence"] = pd.Series(evidence, index=numbered, dtype="str")

    def _written(self) -> pd.Index[int]:
        """Persons whose existing account is brought up to date."""
        by_decision = self.frame["forced"].isin([action.value for action in _UPDATED_BY_DECISION])
        written = self.frame["verdict"].isin(KEPT_UP) | self.frame["may_link"] | by_decision
        return self.frame.index[written & self.frame["row"].notna()]

    def _renamed(self) -> pd.Index[int]:
        written = self._written()
        barred = self._with_reason("username", blocking=True)
        return to_rename(self.view, self.frame["a"].loc[written[~barred[written]]].astype("int64"))

    def _with_reason(self, field: str, *, blocking: bool) -> npt.NDArray[np.bool_]:
        """Tell which rows of the plan have a (blocking) reason on that field."""
        some = self.given[self.given["field"] == field]
        if blocking:
            some = some[some["blocks"] != ""]
        mask = np.zeros(len(self.frame), dtype=bool)
        mask[some["at"].to_numpy(dtype="int64")] = True
        return mask

    def plan_updates(self) -> None:
        """Write what differs to linked accounts, and the idnumber to those that the mapping allows to link."""
        written = self._written()
        at = written.to_numpy()
        persons = self.view.persons.loc[written]
        accounts = self.view.accounts.loc[self.frame["a"].loc[written].astype("int64")].set_axis(written)
        self._tell_kept_emails(written)
        for field in [*NAME_FIELDS, *further_fields(persons)]:
            old = self._present(accounts, field)
            if old is None:
                continue
            barred = self._with_reason(field, blocking=True)[at]
            if field == "email":
                barred |= self.frame["email_kept"].to_numpy()[at]
            remarked = self._with_reason(field, blocking=False)[at]
            where = to_write(field, old, persons[field], self.view.mapping, barred=barred, remarked=remarked)
            self.changes.add(at[where], field, old[where], persons[field][where])
            self.drift.note(field, old, persons[field], barred=barred, written=where)
        self._link()
        self._reactivate()
        changed = np.array([text != "{}" for text in self.changes.texts()], dtype=bool)
        waiting = (self.frame["action"] == Action.NONE) & changed
        self.frame.loc[waiting, "action"] = Action.UPDATE.value

    @staticmethod
    def _present(accounts: pd.DataFrame, field: str) -> pd.Series[str] | None:
        """Give what the accounts hold in a field; None when that was not read, which is not the same as empty."""
        if field in accounts:
            return accounts[field]
        if field.startswith(PROFILE_PREFIX):  # Moodle shows no empty profile field: nobody has it filled in
            return pd.Series("", index=accounts.index, dtype="str")
        return None

    def _tell_kept_emails(self, written: pd.Index[int]) -> None:
        """Say it where the verdict does not: of those who returned while their new address is another's."""
        kept = self.frame.loc[written]
        kept = kept[kept["email_kept"] & (kept["verdict"] != Verdict.EMAIL_TAKEN)]
        for at, email, others in zip(kept.index, kept["email"], kept["holders"], strict=True):
            said = Sentence("evidence.email_kept", email=email, accounts=others[1:-1])
            self.reasons.add(at, Verdict.EMAIL_TAKEN.value, "email", said)

    def _link(self) -> None:
        linked = self.frame.index[self.frame["may_link"] | (self.frame["forced"] == Action.LINK)]
        self.frame.loc[linked, "action"] = Action.LINK.value
        present = self.view.accounts["idnumber"].loc[self.frame["a"].loc[linked].astype("int64")]
        self.changes.add(linked, "idnumber", present, self.frame.loc[linked, "idnumber"])

    def _reactivate(self) -> None:
        returned = self.frame.index[
            (self.frame["verdict"] == Verdict.RETURNED) | (self.frame["forced"] == Action.REACTIVATE)
        ]
        self.frame.loc[returned, "action"] = Action.REACTIVATE.value
        self.changes.add_flag(returned, "suspended", "true, false")

    def plan_orphans(self, known: Remembered, *, everyone_known: bool) -> None:
        """Do with orphans what the mapping's leaver policy says, and say why not where it is not done."""
        orphans = self.frame[(self.frame["verdict"] == Verdict.ORPHAN) & (self.frame["forced"] == "")]
        at_account = orphans["a"].astype("int64")
        suspended = self.view.accounts["suspended"].loc[at_account]
        ours = self.view.linked_by_us.loc[at_account]
        leaving, listed, waiting = [], [], {}
        facts = (orphans[name] for name in ("evidence", "question_open", "explained", "account_id"))
        for at, evidence, asked, explained, account, is_suspended, is_ours in zip(
            orphans.index, *facts, suspended, ours, strict=True
        ):
            since = known.gone_since.get(int(account))
            leaver = Leaver(asked, is_suspended, is_ours, explained, since)
            fate = fate_of(leaver, self.view.mapping.leavers, known.now, everyone_known=everyone_known)
            told = after(evidence, fate.why) if fate.why else evidence
            self.reasons.add(at, Verdict.ORPHAN.value, "idnumber", told)
            if fate.suspend:
                leaving.append(at)
            if fate.listed:
                listed.append(at)
            if fate.for_now:
                waiting[at] = told
        self._suspend(leaving)
        self.frame.loc[listed, "proposal"] = SUSPEND
        self.frame.loc[list(waiting), "evidence"] = list(waiting.values())

    def plan_decided(self) -> None:
        """Suspend what was decided on, and take an idnumber off the accounts that must not keep it."""
        others = self.frame["row"].isna()
        self._suspend(list(self.frame.index[self.frame["forced"] == Action.SUSPEND]))
        freed = self.frame.index[others & (self.frame["forced"] == Action.UPDATE)]
        self.frame.loc[freed, "action"] = Action.UPDATE.value
        present = self.view.accounts["idnumber"].loc[self.frame["a"].loc[freed].astype("int64")]
        self.changes.add(freed, "idnumber", present, [""] * len(freed))

    def _suspend(self, at: list[int]) -> None:
        self.frame.loc[at, "action"] = Action.SUSPEND.value
        self.changes.add_flag(at, "suspended", "false, true")

    def finished(self) -> pd.DataFrame:
        self.frame["changes"] = pd.Series(self.changes.texts(), index=self.frame.index, dtype="str")
        self.frame["reasons"] = pd.Series(self.reasons.texts(), index=self.frame.index, dtype="str")
        self.frame["drift"] = pd.Series(self.drift.texts(len(self.frame)), index=self.frame.index, dtype="str")
        plan = self.frame[list(PLAN.names)].copy()
        plan[PLAN.texts] = plan[PLAN.texts].astype("str")
        return plan
