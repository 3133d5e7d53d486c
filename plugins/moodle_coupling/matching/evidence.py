"""Why a row of a plan has its verdict.

A plan holds a written sentence only where more is to be said than verdict and columns tell: who else has the idnumber, which
keys point where. Of everyone else, and that is nearly everyone, the sentence is made when somebody looks.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.contract.verdicts import Verdict
from moodle_coupling.matching.reasons import reasons_of
from moodle_coupling.words.sentence import Sentence, read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from moodle_coupling.words.sentence import Texts

UNCHANGED: Final = Sentence("evidence.unchanged").written()
"""The evidence of whoever a run for what changed does not look at."""
NAMED: Final = 10
"""How many persons or accounts a sentence names; a source with one idnumber for everyone would otherwise fill the disk."""


def evidence_of(row: Mapping[Any, Any]) -> Sentence:
    """Give why a row of a plan (PLAN_COLUMNS) or of the ledger has its verdict, as a sentence."""
    return read(str(row["evidence"] or "")) or _from_columns(row)


def readable(plan: pd.DataFrame, texts: Texts) -> pd.DataFrame:
    """Give a plan with its evidence, and the message of each of its reasons, as texts of a language."""
    evidence = [texts.say(evidence_of(row)) for row in plan.to_dict("records")]
    reasons = [
        json.dumps(
            [{"code": one.code, "field": one.field, "message": texts.say(one.said)} for one in reasons_of(written)],
            ensure_ascii=False,
        )
        for written in plan["reasons"]
    ]
    return plan.assign(**{name: _texts(found, plan) for name, found in (("evidence", evidence), ("reasons", reasons))})


def _from_columns(row: Mapping[Any, Any]) -> Sentence:
    verdict, idnumber = row["verdict"], row["idnumber"]
    if verdict == Verdict.NEW:
        return Sentence("evidence.new", idnumber=idnumber)
    if verdict == Verdict.LINKED:
        return Sentence("evidence.linked", account=_account_of(row), idnumber=idnumber)
    if verdict == Verdict.RETURNED:
        return Sentence("evidence.returned", account=_account_of(row), idnumber=idnumber)
    return Sentence("evidence.rejected")


def _account_of(row: Mapping[Any, Any]) -> Sentence:
    """Name a row's account by the username that it has; the row's own is the one that it will get."""
    changes = row.get("changes") or ""
    renamed = json.loads(changes).get("username") if '"username"' in changes else None
    return account_named(row["account_id"], renamed[0] if renamed else row["username"])


def account_named(id_: int, username: str = "") -> Sentence:
    """Name an account: 'account 57 (jan-jansen)'."""
    return Sentence("name.account", id=id_, username=username) if username else Sentence("name.account_number", id=id_)


def person_named(person_id: str, extern_id: str, row: int) -> str | Sentence:
    """Give what stands behind 'person': '1042', '1042 (extern id E7)', 'with extern id E7' or 'on row 12'."""
    if person_id and extern_id and person_id != extern_id:
        return Sentence("name.person_both", person_id=person_id, extern_id=extern_id)
    if person_id:
        return person_id
    return Sentence("name.person_extern", extern_id=extern_id) if extern_id else Sentence("name.person_row", row=row)


def persons_in(frame: pd.DataFrame) -> list[str | Sentence]:
    """Name the persons of a frame, row by row."""
    columns = (frame[name] for name in ("person_id", "extern_id", "row"))
    return [person_named(person_id, extern_id, int(row)) for person_id, extern_id, row in zip(*columns, strict=True)]


def persons_listed(names: Sequence[str | Sentence], more: int = 0) -> Sentence:
    """Give 'person 1042' or 'persons 1042 and 1043'; ``more`` are not in ``names``."""
    return Sentence("name.persons", n=len(names) + more, names=first_of(names, more))


def first_of(names: Sequence[str | Sentence], more: int = 0) -> list[str | Sentence]:
    """Give the first NAMED of the names, and how many more there are; ``more`` are not in ``names``."""
    few, more = list(names[:NAMED]), more + len(names[NAMED:])
    return [*few, Sentence("list.more", n=more)] if more else few


def clauses(parts: Sequence[Sentence]) -> Sentence:
    """Give clauses as one sentence."""
    return Sentence("clauses", parts=list(parts))


def _texts(found: list[str], like: pd.DataFrame) -> pd.Series[str]:
    import pandas as pd

    return pd.Series(found, index=like.index, dtype="str")
