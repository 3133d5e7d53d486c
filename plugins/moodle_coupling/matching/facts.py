"""What a mismatch stands on: when any of it changes, a decision taken on it no longer holds."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from moodle_coupling.contract.facts import MismatchFacts
from moodle_coupling.contract.verdicts import MISMATCHES, Verdict
from moodle_coupling.matching.frames import SUSPEND
from moodle_coupling.words.sentence import ENGLISH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PERSON_FACTS: Final = ("person_id", "extern_id", "idnumber", "firstname", "lastname", "email")
ACCOUNT_FACTS: Final = ("username", "idnumber", "firstname", "lastname", "email", "suspended")


def mismatches_with_facts(plan: pd.DataFrame, accounts: pd.DataFrame) -> pd.DataFrame:
    """Give the plan's rows that a human must judge, with ``facts``: JSON of the person and the accounts meant.

    Where the sources do not agree on who it is, also of what each of them says.
    """
    found = plan[are_mismatches(plan)].reset_index(drop=True)
    meant = [_accounts_of(row) for row in found[["account_id", "other_accounts"]].to_dict("records")]
    wanted = {account for accounts_ in meant for account in accounts_}
    known = _known(accounts[accounts["id"].isin(wanted)])
    persons = found[list(PERSON_FACTS)].to_dict("records")
    # The English text and not the sentence: it is what decisions of before there were sentences stand on.
    said = found["evidence"].where(found["verdict"] == Verdict.SOURCES_DISAGREE, "").map(ENGLISH.say)
    texts = [
        MismatchFacts(person=person, accounts={str(a): known.get(a) for a in ids}, sources=ENGLISH.say(text)).written()
        for person, ids, text in zip(persons, meant, said, strict=True)
    ]
    return found.assign(facts=pd.Series(texts, index=found.index, dtype="str"))


def account_print(values: Mapping[str, Any]) -> str:
    """Give a digest of what an account looks like (ACCOUNT_FACTS): a choice of an account that the facts do not name is bound to it."""
    facts = [bool(values.get(name)) if name == "suspended" else str(values.get(name) or "") for name in ACCOUNT_FACTS]
    return hashlib.sha256(json.dumps(facts).encode("ascii")).hexdigest()


def are_mismatches(plan: pd.DataFrame) -> pd.Series[bool]:
    """Tell which rows of a plan a human must judge: mismatches, and orphans with whom the mapping's policy does nothing."""
    listed = (plan["verdict"] == Verdict.ORPHAN) & (plan["proposal"] == SUSPEND)
    return plan["verdict"].isin(MISMATCHES) | listed


def _accounts_of(row: dict[Any, Any]) -> list[int]:
    ids: Iterable[int] = json.loads(row["other_accounts"] or "[]")
    account = row["account_id"]
    return sorted({*ids, *([] if pd.isna(account) else [int(account)])})


def _known(accounts: pd.DataFrame) -> dict[int, dict[str, Any]]:
    columns = [name for name in ACCOUNT_FACTS if name in accounts.columns]
    rows = accounts[columns].to_dict("records")
    return {
        int(id_): {str(name): bool(value) if name == "suspended" else str(value) for name, value in row.items()}
        for id_, row in zip(accounts["id"], rows, strict=True)
    }
