"""Persons of the source that share an idnumber or an e-mail address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from moodle_coupling.matching.compare import folded
from moodle_coupling.matching.evidence import NAMED, persons_in, persons_listed
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterator


def find_duplicates(persons: pd.DataFrame, *, by_email: bool) -> pd.DataFrame:
    """Give the persons that share an idnumber or (``by_email``) an address: index as in persons, ``field``, ``evidence``.

    ``persons`` are those to match, with the columns of CANDIDATE_COLUMNS. Each sentence names the others.
    """
    ids = _sharing(persons, persons["idnumber"])
    emails = _sharing(persons, folded(persons["email"])) if by_email else {}
    fields, evidence = {}, {}
    for at in [*ids, *(at for at in emails if at not in ids)]:
        fields[at] = "idnumber" if at in ids else "email"
        evidence[at] = _sentence(ids.get(at), emails.get(at)).written()
    index = pd.Index(list(fields), dtype=persons.index.dtype)
    return pd.DataFrame(
        {
            "field": pd.Series(fields, index=index, dtype="str"),
            "evidence": pd.Series(evidence, index=index, dtype="str"),
        }
    )


def _sharing(persons: pd.DataFrame, keys: pd.Series[str]) -> dict[int, tuple[str, Sentence]]:
    """Give, by index label, what a person shares with others, and who those are."""
    sharing = keys[(keys != "") & keys.duplicated(keep=False)]
    names = pd.Series(persons_in(persons.loc[sharing.index]), index=sharing.index, dtype="object")
    found: dict[int, tuple[str, Sentence]] = {}
    for key, group in names.groupby(sharing):
        found.update((at, (str(key), others)) for at, others in zip(group.index, _others(list(group)), strict=True))
    return {at: found[at] for at in sharing.index}


def _others(names: list[str | Sentence]) -> Iterator[Sentence]:
    """For each name the first others, and how many more there are."""
    for at in range(len(names)):
        few = [name for other, name in enumerate(names[: NAMED + 1]) if other != at][:NAMED]
        yield persons_listed(few, len(names) - 1 - len(few))


def _sentence(idnumber: tuple[str, Sentence] | None, email: tuple[str, Sentence] | None) -> Sentence:
    if idnumber and email:
        return Sentence(
            "evidence.shared_both", idnumber=idnumber[0], persons=idnumber[1], email=email[0], others=email[1]
        )
    if idnumber:
        return Sentence("evidence.shared_idnumber", idnumber=idnumber[0], persons=idnumber[1])
    shared, others = email or ("", Sentence("name.persons", n=0, names=[]))
    return Sentence("evidence.shared_email", email=shared, persons=others)
