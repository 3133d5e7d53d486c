"""When two people can be one: names and addresses that agree but for spelling, and those that do not.

How similar is similar was measured on real kinds of Dutch name changes and on different people: docs/decisions/0019.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.people.letters import without_accents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from moodle_coupling.contract.facts import MismatchFacts

_PARTICLES: Final = (
    "a aan af ait al ben bij bin da de dei del della den der des di dos du e el en het i ibn im in la le les "
    "met of op ould over s t te ten ter thoe tot uijt uit van vd vanden vander ver voor vom von y zu zum zur "
    "mr mw mevr dhr dr drs ir ing prof"
)
PARTICLES: Final = frozenset(_PARTICLES.split())
"""Words in a name that say nothing about whose it is: infixes of many languages, and titles."""
NICKNAMES: Final = (
    "adriaan adrianus arie ad adri aad janus",
    "albert albertus bert bertus appie ab",
    "alexander alexandra alex sander lex sacha sandra xander",
    "alida aleida alie lida",
    "anna johanna hanna hannah anneke anne annie anja ans hanneke joke janneke jannie jo jopie annemiek",
    "antonius antoon anton toon ton tonny theun teunis teun toine antoine",
    "antonia tonnie toos tonia antoinette",
    "bernardus bernard ben bernd barend",
    "catharina katharina cato trijntje tineke toos karin carina kaat katinka ina trien rina katrien",
    "christiaan christianus chris christ kris kristiaan",
    "christina christine stien tina tineke stientje chrisje",
    "cornelis cornelius kees cor corne nelis cees",
    "cornelia corrie cor nel nelly neeltje cokky cora",
    "dirk diederik derk dick theodericus",
    "elisabeth elizabeth els elly bep betty lies liesbeth lisa liesje elise betje beppie ellie",
    "evert everardus eef",
    "franciscus frans frank francois franske",
    "francisca cisca ciska francien sis",
    "frederik frederikus frits freek fred frederick",
    "geertruida gertruda truus trudy geertje geert trui truida trudie gerda",
    "gerardus gerard gerrit ger geert gert gerhardus",
    "gijsbertus gijsbert gijs bert",
    "hendrikus hendrik henk rik hein henny harry henri henricus",
    "hendrika henriette rika riek hennie ria henny",
    "hubertus hubert bert huub huib",
    "jacobus jacob jaap sjaak koos cobus jaco jac ko jacques",
    "jacoba coby cobie ko jacqueline",
    "johannes jan johan hans hannes joannes jo johnny john joop hansje jannes sjon",
    "jozef josephus joseph jos sef jef joep josef sjef",
    "josephina josefien fien josje jose",
    "laurens laurentius lau lourens rens",
    "leonardus leonard leo leon leendert leen",
    "lambertus lambert bert lammert bertus",
    "lucas luuk luc",
    "margaretha margriet greet greta gretha griet margot marga rita margo",
    "maria marie mieke ria marijke mia rietje miep mariska marja riet maaike marieke marjan mies marietje miet",
    "martinus martin martijn tinus maarten",
    "mattheus matheus matthijs thijs mathijs teus tijs matthias",
    "michael michiel chiel giel machiel",
    "nicolaas nicolas klaas nico niek nick claas",
    "paulus paul pauwel",
    "petrus pieter piet peter peer pierre petr",
    "petronella nel nelleke petra pieternel nelly",
    "rudolf ruud rudi rolf ruedi roel roelof",
    "sebastiaan bas bastiaan",
    "simon siem simeon",
    "theodorus theo dorus theodoor door fedde",
    "thomas tom tommie tomas",
    "wilhelmus willem wim will pim bill wilhelm wil willy",
    "wilhelmina mien wil willy mina willemijn minnie wilma helmi ina",
    "mohamed mohammed muhammad moh mo mohand muhammed moha",
    "abdelkader abdul abdel kader",
    "abderrahman abdurrahman rahman abderrahmane",
    "mehmet memo mehmed",
    "mustafa mostafa mus",
    "fatima fatma fadma fatiha fatoumata",
    "robert rob robbert bob",
    "edward eduard ed eddy edwin",
    "richard rick ries",
    "katarzyna kasia",
    "malgorzata gosia",
    "aleksandra ola",
    "william bill liam",
)
"""Given names and what their bearers are called, a group a line: what no rule of spelling tells."""
_SOUNDS: Final = tuple(
    (re.compile(wrong), right)
    for wrong, right in (
        (r"tsj|tch|sch|dsj|dzh|sj|sh|ch|cz|sz|tj", "s"),
        (r"dj|dzj|j(?=[aou])", "i"),
        (r"kh|gh|ck|q|c|x", "k"),
        (r"ph", "f"),
        (r"th|dt", "t"),
        (r"ou|oe|oo|ue|uu|w(?=[aeiouy])", "u"),
        (r"ij|ei|ey|ay|ai|ee|ie|ij|y|e", "i"),
        (r"ae|aa", "a"),
        (r"oi|eu", "o"),
        (r"o", "u"),
        (r"z", "s"),
        (r"v|w", "f"),
        (r"h", ""),
        (r"(.)\1+", r"\1"),
    )
)
_OF_NOBODY: Final = (
    "info mail post office kantoor contact administratie admin school secretariaat noreply onbekend geen none "
    "test gezin familie"
)
_GENERIC: Final = frozenset(_OF_NOBODY.split())
_SHORT, _LONG, _VERY_LONG = 4, 7, 11
"""From these lengths one, two and three strokes are a way of spelling."""
_LEAST_LOCAL: Final = 6
_LEAST_WORD: Final = 2
_CUT: Final = 3
"""The longest that a name is cut short to: Joh., Th., Chr."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What is compared of a person or an account; '' for what is empty or hidden."""

    firstname: str
    lastname: str
    email: str


def is_somebody_else(one: Identity, other: Identity) -> bool:
    """Tell whether first name, last name and address all differ, beyond spelling; what one of them lacks does not differ."""
    if not all((one.firstname, one.lastname, one.email, other.firstname, other.lastname, other.email)):
        return False
    return not (same_address(one.email, other.email) or _some_name_agrees(one, other))


def has_another_name(one: Identity, other: Identity) -> bool:
    """Tell whether first or last name differs beyond spelling; what one of them lacks does not differ."""
    if not all((one.firstname, one.lastname, other.firstname, other.lastname)) or _exchanged(one, other):
        return False
    first = same_first_name(one.firstname, other.firstname) or _is_short_for(one.firstname, other.firstname)
    return not (first and same_last_name(one.lastname, other.lastname))


def same_first_name(one: str, other: str) -> bool:
    """Tell whether two given names can be one person's: equal but for spelling, a call name, or one of several names."""
    ours, theirs = _words(one), _words(other)
    if _squeezed(one) == _squeezed(other):
        return len(_squeezed(one)) >= _LEAST_WORD or not one.isascii()
    known = [word for word in ours if len(word) >= _LEAST_WORD and word not in PARTICLES]
    return any(
        alike(word, name) or _nicknames(word) & _nicknames(name)
        for word in known
        for name in theirs
        if len(name) >= _LEAST_WORD and name not in PARTICLES
    )


def same_last_name(one: str, other: str) -> bool:
    """Tell whether two last names can be one person's: equal but for spelling and infixes, or one of a double name's."""
    if _squeezed(one) == _squeezed(other):
        return True
    ours, theirs = _bearing(one), _bearing(other)
    if any(alike(word, name) for word in ours for name in theirs):
        return True
    return alike("".join(ours), "".join(theirs)) or alike(_squeezed(one), _squeezed(other))


def same_address(one: str, other: str) -> bool:
    """Tell whether two addresses can be one person's: equal but for case or a typing error, or moved to another domain.

    Digits are no typing error: s1234567 and s1234568 are two students.
    """
    ours, theirs = _folded(one), _folded(other)
    if ours == theirs:
        return True
    (local, _, domain), (their_local, _, their_domain) = ours.partition("@"), theirs.partition("@")
    if re.sub(r"\D", "", local) != re.sub(r"\D", "", their_local):
        return False
    plain, their_plain = (re.sub(r"[^a-z0-9]", "", text.partition("+")[0]) for text in (local, their_local))
    if plain == their_plain:
        return (
            domain == their_domain
            or distance(domain, their_domain, most=1) <= 1
            or (len(plain) >= _LEAST_LOCAL and plain not in _GENERIC)
        )
    return domain == their_domain and len(plain) >= _LEAST_LOCAL and distance(plain, their_plain, most=1) <= 1


def alike(one: str, other: str) -> bool:
    """Tell whether two words (letters only, no accents) are one but for spelling: typing errors, or the same sounds."""
    if not one or not other:
        return False
    most = _strokes(min(len(one), len(other)))
    if distance(one, other, most=most) <= most:
        return True
    ours, theirs = _sound(one), _sound(other)
    if ours == theirs:
        return len(ours) >= _LEAST_WORD
    few = _strokes(min(len(ours), len(theirs)) - 1)
    return one[0] == other[0] and few > 0 and distance(ours, theirs, most=1) <= 1


def distance(one: str, other: str, *, most: int) -> int:
    """Give how many strokes (a letter more, less, another, or two exchanged) make one of the other; ``most + 1`` for more."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    above: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, start=1):
        two_above, above, row = above, row, [at]
        for to, theirs in enumerate(other, start=1):
            best = min(above[to] + 1, row[to - 1] + 1, above[to - 1] + (letter != theirs))
            if at > 1 and to > 1 and letter == other[to - 2] and one[at - 2] == theirs:
                best = min(best, two_above[to - 2] + 1)
            row.append(best)
    return row[-1]


def _some_name_agrees(one: Identity, other: Identity) -> bool:
    return (
        same_first_name(one.firstname, other.firstname)
        or same_last_name(one.lastname, other.lastname)
        or _exchanged(one, other)
    )


def _exchanged(one: Identity, other: Identity) -> bool:
    """Tell whether the words of both names are the same ones, wherever they stand."""
    if same_last_name(one.firstname, other.lastname) and same_last_name(one.lastname, other.firstname):
        return True
    ours = {*_bearing(f"{one.firstname} {one.lastname}")}
    theirs = {*_bearing(f"{other.firstname} {other.lastname}")}
    return min(len(ours), len(theirs)) >= _LEAST_WORD and (ours <= theirs or theirs <= ours)


def _is_short_for(one: str, other: str) -> bool:
    """Tell whether one of them is initials, or cut short (Joh.), and begins as the other does."""
    ours, theirs = _words(one), _words(other)
    if not ours or not theirs:
        return False
    few, more = sorted((ours, theirs), key=lambda words: max(map(len, words)))
    return max(map(len, few)) <= _CUT and more[0].startswith(few[0])


def _strokes(length: int) -> int:
    return (length >= _SHORT) + (length >= _LONG) + (length >= _VERY_LONG)


def _bearing(name: str) -> list[str]:
    """Give the words of a last name that say whose it is."""
    words = [word for word in _words(name) if word not in PARTICLES and len(word) >= _LEAST_WORD]
    return words or _words(name)


def _words(name: str) -> list[str]:
    plain = re.sub(r"['’`´]", "" if len(name) > 3 else " ", without_accents(name))
    return [word for word in re.split(r"[^a-z]+", plain) if word]


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z]", "", without_accents(name))


def _folded(address: str) -> str:
    return without_accents(address).strip()


def _sound(word: str) -> str:
    for wrong, right in _SOUNDS:
        word = wrong.sub(right, word)
    return word


def _nicknames(word: str) -> frozenset[int]:
    return _GROUPS.get(word, frozenset())


_GROUPS: Final[dict[str, frozenset[int]]] = {
    word: frozenset(at for at, group in enumerate(NICKNAMES) if word in group.split())
    for group in NICKNAMES
    for word in group.split()
}


class How(StrEnum):
    """How a field of an account compares with the person's."""

    SAME = "same"
    NEARLY = "nearly"
    OTHER_ID = "other_id"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class Part:
    """What one field adds to the score: ``points`` of ``most``."""

    field: str
    how: How
    points: int
    most: int


_MOST: Final = {"email": 40, "lastname": 20, "firstname": 20, "idnumber": 20}
_SHARE: Final = {How.SAME: 1.0, How.NEARLY: 0.7, How.OTHER_ID: 0.7, How.DIFFERS: 0.0}


def parts(person: Mapping[str, Any], account: Mapping[str, Any]) -> tuple[Part, ...]:
    """Compare a person with an account, as the facts have them; a field that one of them lacks counts neither for nor against."""
    found = []
    for field, most in _MOST.items():
        ours, theirs = str(person.get(field) or "").strip(), str(account.get(field) or "").strip()
        if ours and theirs:
            how = _idnumber(ours, theirs, person) if field == "idnumber" else _text(field, ours, theirs)
            found.append(Part(field, how, round(most * _SHARE[how]), most))
    return tuple(found)


def score(of: Iterable[Part]) -> int | None:
    """Give the score of 100; None where nothing could be compared."""
    every = tuple(of)
    most = sum(part.most for part in every)
    return round(100 * sum(part.points for part in every) / most) if most else None


def best_score(facts: MismatchFacts) -> int | None:
    """Give the score of the account that is most alike; None where there is no person, or no account that was read."""
    known = [score(parts(facts.person, account)) for account in facts.accounts.values() if account]
    return max((one for one in known if one is not None), default=None) if facts.person else None


def _idnumber(ours: str, theirs: str, person: Mapping[str, Any]) -> How:
    if ours == theirs:
        return How.SAME
    if ours.casefold() == theirs.casefold():
        return How.NEARLY
    return How.OTHER_ID if theirs in {person.get("person_id"), person.get("extern_id")} else How.DIFFERS


def _text(field: str, ours: str, theirs: str) -> How:
    if without_accents(ours) == without_accents(theirs):
        return How.SAME
    return How.NEARLY if _ALIKE[field](ours, theirs) else How.DIFFERS


_ALIKE: Final[dict[str, Callable[[str, str], bool]]] = {
    "email": same_address,
    "lastname": same_last_name,
    "firstname": same_first_name,
}
