"""The sentences of the safeguards, in English and in Dutch, and their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SENTENCES: Final[dict[str, tuple[str, str]]] = {
    "first_load": (
        "This is the first load of this Moodle: {count} {writes} for approval.",
        "Dit is de eerste keer dat deze Moodle wordt gevuld: {count} {writes} op goedkeuring.",
    ),
    "creates": (
        "{count} {accounts} would be made where there are {total} {things} ({share}); {limit}.",
        "{count} {accounts} zouden worden gemaakt waar er {total} {things} zijn ({share}); {limit}.",
    ),
    "updates": (
        "{count} of {total} {things} ({share}) would be changed; {limit}.",
        "{count} van {total} {things} ({share}) zouden worden gewijzigd; {limit}.",
    ),
    "suspensions": (
        "{count} of {total} {things} ({share}) would be suspended; {limit}.",
        "{count} van {total} {things} ({share}) zouden worden geschorst; {limit}.",
    ),
    "rekeys": (
        "{count} of {total} {things} ({share}) would get an ID number, or another one; {limit}.",
        "{count} van {total} {things} ({share}) zouden een (ander) ID-nummer krijgen; {limit}.",
    ),
    "renames": (
        "{count} of {total} {things} ({share}) would get another username; {limit}.",
        "{count} van {total} {things} ({share}) zouden een andere gebruikersnaam krijgen; {limit}.",
    ),
    "rejections": (
        "{count} of {total} {things} ({share}) are rejected; {limit}.",
        "{count} van {total} {things} ({share}) worden geweigerd; {limit}.",
    ),
    "source_shrunk": (
        "The source has {count} persons fewer than the {total} of the last good run ({share}); {limit_share} or more needs approval.",
        "De bron heeft {count} personen minder dan de {total} van de laatste goede keer ({share}); vanaf {limit_share} is goedkeuring nodig.",
    ),
    "source_empty": (
        "The source has no persons at all; before there were {total}. An export that failed looks like this.",
        "De bron heeft geen enkele persoon; eerder waren het er {total}. Zo ziet een mislukte export eruit.",
    ),
}
"""By the safeguard's code: English, Dutch."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of one sentence; ``of_persons`` says that the total counts persons, not accounts."""

    count: int
    total: int
    share: float
    limit_count: int
    limit_share: float
    of_persons: bool


def say(sentence: str, numbers: Numbers, *, dutch: bool) -> str:
    """Fill in a sentence."""
    persons, accounts = ("personen", "accounts") if dutch else ("persons", "accounts")
    writes = ("wijziging wacht", "wijzigingen wachten") if dutch else ("write waits", "writes wait")
    return sentence.format(
        count=number(numbers.count, dutch=dutch),
        total=number(numbers.total, dutch=dutch),
        share=percent(numbers.share, apart_from=numbers.limit_share, dutch=dutch),
        limit_share=percent(numbers.limit_share, dutch=dutch),
        things=persons if numbers.of_persons else accounts,
        accounts=accounts,
        writes=writes[numbers.count != 1],
        limit=_limit(numbers, dutch=dutch),
    )


def number(value: int, *, dutch: bool = False) -> str:
    """Give a whole number with its thousands apart: 1,234, in Dutch 1.234."""
    text = f"{value:,}"
    return text.replace(",", ".") if dutch else text


def percent(share: float, *, apart_from: float = 0.0, dutch: bool = False) -> str:
    """Give a share as a percentage: 5.2 %, in Dutch 5,2 %.

    It has one decimal where it needs one, and more where it would else read the same as a share that it is not.
    """
    text = _rounded(share, 1)
    for digits in range(2, 7):
        if share == apart_from or text != _rounded(apart_from, 1):
            break
        text = _rounded(share, digits)
    if dutch:
        text = text.translate(str.maketrans(",.", ".,"))
    return f"{text} %"


def _rounded(share: float, digits: int) -> str:
    text = f"{share * 100:,.{digits}f}"
    return text.rstrip("0").removesuffix(".")


def _limit(numbers: Numbers, *, dutch: bool) -> str:
    share, count = percent(numbers.limit_share, dutch=dutch), number(numbers.limit_count, dutch=dutch)
    if not numbers.limit_count and numbers.limit_share:
        parts = [share]
    elif not numbers.limit_share:
        parts = [count]
    else:
        parts = [count, share]
    more = "meer dan " if dutch else "more than "
    joined = (" en " if dutch else " and ").join(more + part for part in parts)
    return f"bij {joined} is goedkeuring nodig" if dutch else f"{joined} need approval"
