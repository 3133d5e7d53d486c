"""Invents people by the hundred thousand, with the same seed always the same ones."""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING

from moodle_coupling.sandbox.coachview.fields import AUDIT, CATEGORIES, CHANGED, CREATED, FREE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.sandbox.coachview.fields import Person

_FIRST = ("Jan", "Zoë", "Anne-Marie", "Jürgen", "Şule", "Łukasz", "Ελένη", "小明", "Fatima", "José", "Noor", "Søren")
_LAST = (
    ("", "Jansen"), ("de", "Vries"), ("van den", "Berg"), ("van der", "Meer"), ("'t", "Hart"), ("", "Müller"), ("", "Yılmaz"),
    ("", "Kowalski"), ("", "Παπαδόπουλος"), ("", "王"), ("", "El Amrani"), ("", "O'Brien"), ("in 't", "Veld"), ("", "Visser"),
)  # fmt: skip
_TOWNS = tuple(
    {"plaats": town, "landCode": country}
    for town, country in (
        ("Utrecht", "NL"),
        ("'s-Hertogenbosch", "NL"),
        ("Zwolle", "NL"),
        ("Köln", "DE"),
        ("Gent", "BE"),
    )
)
_GROUPS = tuple(f"Groep {number}" for number in range(1, 31))
FIRST_DAY, LAST_DAY = dt.date(2018, 1, 1), dt.date(2025, 12, 31)


def generate_people(
    number: int, *, seed: int = 1, first_day: dt.date = FIRST_DAY, last_day: dt.date = LAST_DAY
) -> Iterator[Person]:
    """Give invented people, created and changed in office hours from ``first_day`` up to and including ``last_day``.

    One in fifty is inactive. Names are few and externIds and addresses unique, as many a person is called alike.
    """
    rng = random.Random(seed)  # noqa: S311 - invented people
    days = [(first_day + dt.timedelta(days=day)).isoformat() for day in range((last_day - first_day).days + 1)]
    for count in range(1, number + 1):
        first = _FIRST[rng.getrandbits(16) % len(_FIRST)]
        infix, last = _LAST[rng.getrandbits(16) % len(_LAST)]
        born = rng.getrandbits(30) % len(days)
        changed = born + rng.getrandbits(30) % (len(days) - born)
        created_at, changed_at = _moment(days[born], rng), _moment(days[changed], rng)
        bits = f"{rng.getrandbits(128):032x}"
        person: Person = {
            "id": f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-a{bits[17:20]}-{bits[20:]}",
            "voorletters": f"{first[0]}.",
            "voornaam": first,
            "tussenvoegsels": infix,
            "achternaam": last,
            "inactief": count % 50 == 0,
            "adres": _TOWNS[count % len(_TOWNS)],
            "email1": f"persoon{count}@example.org",
            "externId": f"GEN-{count:07}",
            "externSource": "Generator",
            AUDIT: {
                CREATED: min(created_at, changed_at),
                "aangemaaktDoor": "Import",
                CHANGED: max(created_at, changed_at),
                "gewijzigdDoor": "Import",
            },
            FREE: {"Vrijveld1": _GROUPS[count % len(_GROUPS)], "VrijveldNotitie": "Vertrouwelijk"},
            CATEGORIES: ["Cursist"],
        }
        yield person


def _moment(day: str, rng: random.Random) -> str:
    minute = 8 * 60 + rng.getrandbits(20) % (10 * 60)
    return f"{day}T{minute // 60:02}:{minute % 60:02}:{rng.getrandbits(20) % 60:02}"
