"""Looking for an account in Moodle by what somebody typed: a name, an address, a username, an ID number or an account's number."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from moodle_coupling.matching.likeness import PARTICLES
from moodle_coupling.people.letters import without_accents

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moodle_coupling.contract.fields import Account
    from moodle_coupling.hooks.moodle.hook import MoodleHook

_VARIES: Final = (re.compile(r"[^b-df-hj-np-tv-xz]"), re.compile(r"[^bdfhjkmpqrtvwx]"))
"""Letters that may be written with an accent in Moodle, vowels first: one character of any kind is looked for there."""
_LONG: Final = 5
"""Letters of a word of which one fixed letter is enough for that, of a shorter one two; for a pattern such as '___' Moodle gives everyone."""
_LEAST: Final = 3
"""Letters that a word of a name must have to be looked for inside names; a shorter one must be how a name begins."""


def search_accounts(hook: MoodleHook, text: str) -> list[Account]:
    """Give the accounts that may be meant, by name; none for an empty text.

    Words of a name count in any order, without accents and letter case, and as parts of names; an address too. Ids and
    usernames must be whole. Moodle is only read, with a few calls. Raises a MoodleError.
    """
    wanted = " ".join(text.replace(",", " ").split())
    if not wanted:
        return []
    found: dict[int, Account] = {}
    if "@" in wanted:
        found |= _by_id(hook.find_accounts("email", f"%{_literal(wanted)}%"))
    elif " " not in wanted:
        for field in ("idnumber", "username", *(["id"] if wanted.isascii() and wanted.isdigit() else [])):
            found |= _by_id(hook.accounts_by_field(field, {wanted, wanted.lower()}).accounts)
    if not found and any(letter.isalpha() for letter in wanted):
        found |= _by_id(_named(hook, wanted))
    return sorted(found.values(), key=lambda one: (without_accents(f"{one.lastname} {one.firstname}"), one.id))


def _named(hook: MoodleHook, wanted: str) -> list[Account]:
    words = without_accents(wanted).split()
    telling = [word for word in words if word not in PARTICLES] or words
    for varies in _VARIES:
        if found := [one for one in _with_words(hook, telling, varies).values() if _has(one, words)]:
            return found
    return []


def _with_words(hook: MoodleHook, telling: list[str], varies: re.Pattern[str]) -> dict[int, Account]:
    found: dict[int, Account] = {}
    first, last = _pattern(telling[0], varies), _pattern(telling[-1], varies)
    if len(telling) == 1:
        found = _by_id([*hook.find_accounts("firstname", first), *hook.find_accounts("lastname", first)])
    else:  # the first and the last word as first and last name, and the other way round
        for one, other in ((first, last), (last, first)):
            found |= _by_id(hook.find_accounts("firstname", one, {"lastname": other}))
    return found


def _pattern(word: str, varies: re.Pattern[str]) -> str:
    """Give the LIKE pattern of a word, whatever accents it has in Moodle, as far as enough of it is left to look for."""
    letters = varies.sub("_", word)
    if len(letters.replace("_", "")) < (1 if len(word) >= _LONG else 2):
        letters = _literal(word)
    return f"%{letters}%" if len(word) >= _LEAST else f"{letters}%"


def _has(account: Account, words: list[str]) -> bool:
    """Tell whether each word stands in the name."""
    name = without_accents(f"{account.firstname} {account.lastname}")
    return all(word in name for word in words)


def _literal(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)


def _by_id(accounts: Iterable[Account]) -> dict[int, Account]:
    return {one.id: one for one in accounts}
