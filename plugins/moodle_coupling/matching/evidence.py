"""The words of evidence: how a person, an account and a key are named in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd


def labels(persons: pd.DataFrame) -> pd.Series[str]:
    """Give what each person is called in a sentence: the source's ids, or the row where there are none."""
    names = [
        person_label(person_id, extern_id, row)
        for person_id, extern_id, row in zip(persons["person_id"], persons["extern_id"], persons["row"], strict=True)
    ]
    return _series(names, persons)


def person_label(person_id: str, extern_id: str, row: int) -> str:
    """Give what one person is called: '1042', '1042 (extern id E7)', 'with extern id E7' or 'on row 12'."""
    if person_id and extern_id and person_id != extern_id:
        return f"{person_id} (extern id {extern_id})"
    if person_id:
        return person_id
    return f"with extern id {extern_id}" if extern_id else f"on row {row}"


def account_labels(accounts: pd.DataFrame) -> pd.Series[str]:
    """Give what each account is called in a sentence: 'account 57 (jan-jansen)'."""
    return "account " + accounts["id"].astype("str") + " (" + accounts["username"] + ")"


def listed(names: Sequence[str], more: int = 0) -> str:
    """Give names as a list in words: 'a, b and c', or 'a, b and 3 more'."""
    parts = [*names, f"{more} more"] if more else list(names)
    if len(parts) < 2:
        return "".join(parts)
    return ", ".join(parts[:-1]) + " and " + parts[-1]


def persons_listed(names: Sequence[str], more: int = 0) -> str:
    """Give 'person 1042' or 'persons 1042 and 1043', at most ten by name; ``more`` are not in ``names``."""
    few = list(names[:10])
    more += len(names) - len(few)
    return ("person " if len(few) + more == 1 else "persons ") + listed(few, more)


def accounts_listed(names: Sequence[str]) -> str:
    """Give several account labels as a list in words, at most ten by name."""
    few = list(names[:10])
    return listed(few, len(names) - len(few))


def keys_listed(keys: Iterable[str], values: dict[str, str]) -> str:
    """Give the keys with their values: "e-mail 'a@example.org' and username 'a'"."""
    words = {"idnumber": "idnumber", "email": "e-mail", "username": "username"}
    return listed([f"{words[key]} '{values[key]}'" for key in keys])


def sentence(text: str) -> str:
    """Give the text with a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _series(names: list[str], like: pd.DataFrame) -> pd.Series[str]:
    import pandas as pd

    return pd.Series(names, index=like.index, dtype="str")
