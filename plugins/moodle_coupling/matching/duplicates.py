"""Persons of the source that share an idnumber or an e-mail address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from moodle_coupling.matching.evidence import NAMED, persons_in, persons_listed
from moodle_coupling.matching.written import of_each
from moodle_coupling.people.arrow import is_blank as is_nothing
from moodle_coupling.people.arrow import pa, pc, to_series
from moodle_coupling.people.cleaning import folded
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from moodle_coupling.matching.view import View
    from moodle_coupling.people.arrow import Mask, Texts


@dataclass(frozen=True)
class Duplicates:
    """Places of persons who share something, which field that is, and a sentence each that names the others."""

    places: NDArray[np.intp]
    fields: Texts
    evidence: Texts


def find_duplicates(view: View, standing: Mask, emails: Texts | None) -> Duplicates:
    """Give those of ``standing`` that share an idnumber or, where ``emails`` are given, an address."""
    keys = view.idnumbers
    shared = _shared(np.where(standing, keys.persons, -1), keys.counts)
    ids = _sharing(view, shared, to_series(view.mine("idnumber").take(pa.array(shared))))
    by_email: dict[int, tuple[str, Sentence]] = {}
    if emails is not None:
        coded = pc.dictionary_encode(folded(emails))
        same = _shared(coded.indices.to_numpy(), ~is_nothing(coded.dictionary))
        by_email = _sharing(view, same, to_series(coded.take(pa.array(same)).dictionary_decode()))
    places = np.array([*ids, *(p for p in by_email if p not in ids)], dtype=np.intp)
    fields = ["idnumber" if p in ids else "email" for p in places.tolist()]
    return Duplicates(
        places,
        pa.array(fields, type=pa.large_string()),
        of_each([_sentence(ids.get(p), by_email.get(p)) for p in places.tolist()]),
    )


def _shared(numbers: NDArray[np.integer], counts: Mask) -> NDArray[np.intp]:
    """Give the places whose number stands at another place too, and counts; a negative one does not."""
    places = np.flatnonzero(numbers >= 0)
    often = (np.bincount(numbers[places], minlength=len(counts)) > 1) & counts
    shared: NDArray[np.intp] = places[often[numbers[places]]]
    return shared


def _sharing(view: View, places: NDArray[np.intp], keys: pd.Series[str]) -> dict[int, tuple[str, Sentence]]:
    """Give, by place, what a person shares with others, and who those are."""
    if not len(places):
        return {}
    persons = view.persons[["person_id", "extern_id", "row"]].iloc[places]
    names = pd.Series(persons_in(persons), index=places, dtype="object")
    found: dict[int, tuple[str, Sentence]] = {}
    for key, group in names.groupby(keys.set_axis(places)):
        found.update((at, (str(key), others)) for at, others in zip(group.index, _others(list(group)), strict=True))
    return {at: found[at] for at in places.tolist()}


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
