"""What a run will write for a decision, as far as the facts of its mismatch show; no source and no Moodle is asked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from moodle_coupling.contract.verdicts import DecisionKind, Verdict
from moodle_coupling.matching.changes import to_write
from moodle_coupling.matching.decisions import Account, Circumstances, choosable, circumstances
from moodle_coupling.matching.frames import Action
from moodle_coupling.matching.obedience import LINKED_BY
from moodle_coupling.people.arrow import to_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from moodle_coupling.mapping import Mapping as Coupled

_SYNCED: Final = ("firstname", "lastname", "email")
"""Fields of the facts that are kept up to date, each as the mapping says."""
Change = tuple[Any, Any]
"""What a field has now (None where there is no account yet), and what it gets."""


@dataclass(frozen=True, slots=True)
class Write:
    """What is written to one account; ``account_id`` None for one that is made."""

    action: Action
    account_id: int | None
    changes: Mapping[str, Change]


def foreseen(
    verdict: str, facts: Mapping[str, Any], kind: str, account_id: int | None, mapping: Coupled | None
) -> tuple[Write, ...]:
    """Give what a decision makes a run write; nothing where no run does anything for it, or the facts do not say which account.

    ``facts`` is the JSON of matching/facts.py, read; ``account_id`` the account chosen (None: the mismatch leaves no choice).
    Fields that the facts do not hold are not told, nor what differs by the time of the run. Without a mapping only ID numbers
    and suspensions.
    """
    about = circumstances(verdict, facts)
    if kind == DecisionKind.CREATE_SEPARATE:
        return _create(about)
    if kind not in {DecisionKind.LINK, DecisionKind.REKEY, DecisionKind.SUSPEND}:
        return ()
    chosen = _chosen(about, DecisionKind(kind), account_id)
    if chosen is None:
        return () if account_id is None else (_elsewhere(about, account_id),)
    if kind == DecisionKind.SUSPEND:
        return (Write(Action.SUSPEND, chosen.id, {"suspended": (False, True)}),)
    values = (facts.get("accounts") or {}).get(str(chosen.id)) or {}
    action = LINKED_BY.get(verdict, Action.LINK)
    changes: dict[str, Change] = {"suspended": (True, False)} if action is Action.REACTIVATE else {}
    if chosen.idnumber != about.idnumber:
        changes["idnumber"] = (chosen.idnumber, about.idnumber)
    if mapping is not None:
        changes |= _synced(about, chosen, values, mapping)
    others = about.others(chosen) if verdict == Verdict.DUPLICATE_ACCOUNT else ()
    return (Write(action, chosen.id, changes), *(_freed(other) for other in others))


def as_plan(writes: Iterable[Write]) -> pd.DataFrame:
    """Give writes as the columns of a plan that safeguards look at."""
    rows = [(write.action.value, json.dumps(dict(write.changes))) for write in writes]
    return pd.DataFrame(rows, columns=["action", "changes"], dtype="str")


def _create(about: Circumstances) -> tuple[Write, ...]:
    own = about.own() if about.verdict == Verdict.ID_REASSIGNED else None
    if own is not None:
        return (_freed(own),)  # the run after that makes the account
    fields = ("idnumber", *_SYNCED)
    return (Write(Action.CREATE, None, {name: (None, about.person.get(name, "")) for name in fields}),)


def _freed(account: Account) -> Write:
    return Write(Action.UPDATE, account.id, {"idnumber": (account.idnumber, "")})


def _elsewhere(about: Circumstances, account_id: int) -> Write:
    """Give what is known of an account at which the mismatch does not point: its values stand in no facts."""
    return Write(Action.LINK, account_id, {"idnumber": (None, about.idnumber)})


def _chosen(about: Circumstances, kind: DecisionKind, account_id: int | None) -> Account | None:
    possible = choosable(kind, about.verdict, about.accounts, about.idnumber)
    fitting = [one for one in possible if account_id in {None, one.id}]
    return fitting[0] if len(fitting) == 1 else None


def _synced(about: Circumstances, account: Account, values: Mapping[str, Any], mapping: Coupled) -> dict[str, Change]:
    found: dict[str, Change] = {}
    no = np.zeros(1, dtype=bool)
    for name in _SYNCED:
        old, new = str(values.get(name, "")), str(about.person.get(name, ""))
        taken = name == "email" and not mapping.matching.shared_email and about.address_is_elsewhere(account)
        if (
            name in values
            and to_write(name, to_texts([old]), to_texts([new]), mapping, barred=no, remarked=no)[0]
            and not taken
        ):
            found[name] = (old, new)
    return found
