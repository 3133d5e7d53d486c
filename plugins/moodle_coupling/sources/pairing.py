"""Which person of one source is which of another: by their ids, one to one, never guessed."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from moodle_coupling.mapping import IdnumberFrom
from moodle_coupling.people.columns import EMAIL_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_BETWEEN_WORDS: Final = re.compile(r"[\W_]+")


def pairs(
    known: pd.DataFrame, other: pd.DataFrame, idnumber: IdnumberFrom
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return positions in both frames of the persons that share a person_id, an extern_id or the idnumber.

    An extern_id is shared when the extern_source is too, or one of the two says none. Who would be paired with more than
    one is paired with nobody: such persons stay apart, and matching rejects them as doubles.
    """
    found = pd.concat(list(_shared(known, other, idnumber)), ignore_index=True).drop_duplicates()
    alone = ~found["here"].duplicated(keep=False) & ~found["there"].duplicated(keep=False)
    single = found[alone]
    return single["here"].to_numpy(dtype=np.intp), single["there"].to_numpy(dtype=np.intp)


def _shared(known: pd.DataFrame, other: pd.DataFrame, idnumber: IdnumberFrom) -> Iterator[pd.DataFrame]:
    yield _joined(known["person_id"], other["person_id"])
    extern = _joined(known["extern_id"], other["extern_id"])
    here = known["extern_source"].to_numpy()[extern["here"].to_numpy()]
    there = other["extern_source"].to_numpy()[extern["there"].to_numpy()]
    yield extern[(here == there) | (here == "") | (there == "")]
    if idnumber is IdnumberFrom.EXTERN_ID_ELSE_PERSON_ID:
        yield _joined(_idnumber(known), _idnumber(other))


def _idnumber(persons: pd.DataFrame) -> pd.Series:
    return persons["extern_id"].where(persons["extern_id"] != "", persons["person_id"])


def _joined(here: pd.Series, there: pd.Series) -> pd.DataFrame:
    left = pd.DataFrame({"key": here.to_numpy(), "here": np.arange(len(here))})
    right = pd.DataFrame({"key": there.to_numpy(), "there": np.arange(len(there))})
    joined = left[left["key"] != ""].merge(right[right["key"] != ""], on="key")
    return joined[["here", "there"]]


def is_somebody_else(one: dict[str, str], other: dict[str, str]) -> bool:
    """Return whether two persons with a shared id are, by their names and addresses, two people.

    So it is with another surname and another e-mail address; where one of them has no address, with another surname and
    another first name. Who took a partner's name is not somebody else.
    """
    if not _differ(f"{one['infix']} {one['lastname']}", f"{other['infix']} {other['lastname']}"):
        return False
    mine, theirs = (_addresses(person) for person in (one, other))
    if mine and theirs:
        return not mine & theirs
    return _differ(one["firstname"], other["firstname"])


def _addresses(person: dict[str, str]) -> set[str]:
    return {person[name].strip().casefold() for name in EMAIL_COLUMNS if person[name].strip()}


def _differ(one: str, other: str) -> bool:
    """Return whether both say something, and neither is said by the other too, word by word without accents."""
    mine, theirs = _words(one), _words(other)
    if not mine or not theirs or "".join(mine) == "".join(theirs):
        return False
    return not (set(mine) <= set(theirs) or set(theirs) <= set(mine))


def _words(text: str) -> list[str]:
    spelled = unicodedata.normalize("NFKD", text)
    bare = "".join(letter for letter in spelled if not unicodedata.combining(letter))
    return _BETWEEN_WORDS.sub(" ", bare).casefold().split()
