"""How many persons per second become candidates: ours, beside a plain loop and DataFrame.apply.

Run it from the project: ``python benchmarks/transform.py --persons 1000000``. The three do the same work and their
results are compared on the slow ones' persons; a difference ends the run with status 1.
"""

from __future__ import annotations

import argparse
import re
import resource
import sys
import time
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from unidecode import unidecode

sys.path.insert(0, str(Path(__file__).parents[1] / "plugins"))

from moodle_coupling.contract.columns import PERSON_COLUMNS
from moodle_coupling.contract.fields import COUNTRIES
from moodle_coupling.mapping import Mapping
from moodle_coupling.mapping.checks import to_code
from moodle_coupling.people.cleaning import clean_one
from moodle_coupling.people.transform import transform
from moodle_coupling.people.usernames import assign_usernames, numbered

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST = ["Jan", "Piet", "Anne-Marie", "Zoë", "Renée", "Günter", "Jürgen", "Şule", "İbrahim", "Çağla", "Łukasz", "Małgorzata", "Αλέξανδρος", "Ελένη", "小明", "伟", "محمد", "فاطمة", "Björn", "Søren", "Noor", "Youssef", "Aïcha", "José", "Daan", "Sem", "Lieke", "Fleur", "Willem-Alexander", "Chloé"]  # fmt: skip
LAST = ["Jansen", "Vries", "Berg", "Müller", "Groß", "Öztürk", "Yılmaz", "Şahin", "Kowalski", "Wójcik", "Παπαδόπουλος", "王", "李", "حسن", "Núñez", "O'Brien", "Bakker", "Visser", "Smit", "Meijer", "Mulder", "Bos", "Peters", "Hendriks", "Dijk", "Jansen-Bakker", "Ångström", "Dvořák", "Nowak", "Schröder"]  # fmt: skip
INFIX = ["", "", "", "", "", "de", "van", "van der", "van den", "'t", "d'", "ten"]
TRANSLITERATE = {"ü": "ue", "ö": "oe", "ä": "ae"}
MAPPING = Mapping.model_validate(
    {
        "environment": "bench",
        "connection": "moodle_bench",
        "source": {"type": "file", "path": "persons.csv"},
        "idnumber": "extern_id",
        "username": {"recipe": "first_infix_last", "transliterate": TRANSLITERATE},
        "fields": {"city": {"column": "city"}, "country": {"column": "country", "default": "NL"}},
        "profile_fields": {f"customfield{number}": {"column": f"free{number}"} for number in range(1, 6)},
    }
)
COMPARED = ["idnumber", "username", "firstname", "lastname", "email", "city", "country", "profile_field_customfield1"]


def make_persons(number: int, seed: int) -> pd.DataFrame:
    """Return invented persons: about one in fifty has something wrong, one in ten needs cleaning."""
    random = np.random.default_rng(seed)

    def some(values: list[str]) -> np.ndarray:
        return np.array(values, dtype=object)[random.integers(len(values), size=number)]

    def spoil(values: np.ndarray, share: float, change: Callable[[str], str]) -> np.ndarray:
        for row in np.flatnonzero(random.random(number) < share):
            values[row] = change(values[row])
        return values

    # Half of all surnames are rare, as in real life: one list of 30 would make every name a common one.
    rare = np.array([f"{name}{tail}" for name in LAST for tail in ("s", "ema", "stra", "man", "sen")], dtype=object)
    last = some(LAST)
    rest = random.random(number) < 0.5
    pairs = rare[random.integers(len(rare), size=number)] + "-" + rare[random.integers(len(rare), size=number)]
    last[rest] = pairs[rest]
    ids = np.arange(1, number + 1)
    random.shuffle(ids)
    person_id = np.array([str(value) for value in ids + 100_000], dtype=object)
    given = {
        "person_id": person_id,
        "extern_id": spoil(np.array([f"CV-{value:07}" for value in ids], dtype=object), 0.003, lambda _: ""),
        "initials": some(["J.", "P.A.", "M.", "A.B.C.", ""]),
        "firstname": spoil(spoil(some(FIRST), 0.03, lambda text: f" {text}\u00a0"), 0.005, lambda _: ""),
        "infix": some(INFIX),
        "lastname": spoil(last, 0.03, lambda text: unicodedata.normalize("NFD", text) + "\u200b "),
        "email1": spoil(
            np.array([f"p{value}@example.org" for value in ids], dtype=object), 0.01, lambda text: text[:-4]
        ),
        "email2": some(["", "", "", "second@example.org"]),
        "city": some(["Utrecht", "Den  Haag", "'s-Hertogenbosch", "Köln", ""]),
        "country": some(["NL", "BE", "DE", "nl", ""]),
        **{f"free{column}": some(["", "A", "Groep  1", "<b>vet</b>"]) for column in range(1, 6)},
    }
    frame: dict[str, Any] = {"row": np.arange(2, number + 2)}
    for column in PERSON_COLUMNS[1:]:
        if column.dtype == "bool":
            frame[column.name] = random.random(number) < 0.02
        else:
            frame[column.name] = pd.Series(given.get(column.name, np.full(number, "", dtype=object)), dtype="str")
    return pd.DataFrame(frame)


EMAIL = re.compile(
    r"[!#$%&'*+/=?^_`{|}~0-9A-Za-z-]+(\.[!#$%&'*+/=?^_`{|}~0-9A-Za-z-]+)*"
    r"@([0-9A-Za-z]+(-+[0-9A-Za-z]+)*\.)+[A-Za-z][0-9A-Za-z]*(-+[0-9A-Za-z]+)*"
)


def part(text: str) -> str:
    """Return one part of a username, as anybody would write it."""
    for letter, plain in TRANSLITERATE.items():
        text = text.replace(letter, plain).replace(letter.upper(), plain)
    return re.sub(r"[^a-z0-9._@-]", "", unidecode(text).lower())


def one_person(person: Any) -> tuple[str, ...]:
    """Return a person's compared fields and, last, the codes of what is wrong: the plain way, one at a time."""
    texts = {column.name: clean_one(person[column.name]) for column in PERSON_COLUMNS if column.dtype == "str"}
    codes = []
    if not texts["extern_id"]:
        codes.append("idnumber_missing")
    if not texts["firstname"]:
        codes.append("firstname_missing")
    between = "" if texts["infix"].endswith("'") else " "
    lastname = f"{texts['infix']}{between}{texts['lastname']}" if texts["infix"] else texts["lastname"]
    filled = [texts[name] for name in ("email1", "email2", "email3") if texts[name]]
    email = next((text for text in filled if EMAIL.fullmatch(text)), "")
    if filled and not email:
        codes.append("email_invalid")
    elif filled and filled[0] != email:
        codes.append("email_skipped")
    country = to_code(texts["country"] or "NL")
    if country not in COUNTRIES:
        codes.append("country_unknown")
        country = ""
    name = "-".join(filter(None, (part(texts[key]) for key in ("firstname", "infix", "lastname"))))
    username = re.sub("-+", "-", name).strip("-")[:100]
    found = (texts["extern_id"], username, texts["firstname"], lastname, email, texts["city"], country, texts["free1"])
    return (*found, "" if person["inactive"] else " ".join(codes))


def number_all(usernames: list[str], ids: list[str]) -> list[str]:
    """Return usernames numbered one person after another, by id."""
    used: set[str] = set()
    given = [""] * len(usernames)
    for row in sorted(range(len(usernames)), key=lambda row: int(ids[row])):
        name, number = usernames[row], 2
        while name and name in used:
            name, number = numbered(usernames[row], number), number + 1
        used.add(name)
        given[row] = name
    return given


def by_loop(persons: pd.DataFrame) -> pd.DataFrame:
    """Return the compared columns, by a loop over the rows."""
    rows = [one_person(person) for person in persons.to_dict("records")]
    frame = pd.DataFrame(rows, columns=[*COMPARED, "codes"], dtype="str")
    frame["given"] = number_all(frame["username"].tolist(), persons["person_id"].tolist())
    return frame


def by_apply(persons: pd.DataFrame) -> pd.DataFrame:
    """Return the compared columns, by DataFrame.apply."""
    frame = persons.apply(lambda person: pd.Series(one_person(person), index=[*COMPARED, "codes"]), axis=1).astype(
        "str"
    )
    frame["given"] = number_all(frame["username"].tolist(), persons["person_id"].tolist())
    return frame


def ours(persons: pd.DataFrame) -> pd.DataFrame:
    """Return the compared columns, as the coupling makes them."""
    done = transform(persons, MAPPING)
    frame = done.candidates[COMPARED].copy()
    codes = done.reasons.groupby("row")["code"].agg(" ".join)
    frame["codes"] = done.candidates["row"].map(codes).fillna("").astype("str")
    frame["given"] = assign_usernames(frame["username"], done.candidates["person_id"], set())
    return frame


def timed(label: str, work: Callable[[pd.DataFrame], Any], persons: pd.DataFrame) -> Any:
    """Do the work, print its speed, and return its result."""
    begin, used = time.perf_counter(), time.process_time()
    result = work(persons)
    _report(label, len(persons), time.perf_counter() - begin, time.process_time() - used)
    return result


def _report(label: str, persons: int, seconds: float, used: float) -> None:
    print(
        f"{label:<18} {persons:>9,} persons {seconds:>7.2f} s ({used:.2f} s CPU) {persons / seconds:>9,.0f} persons/s"
    )


def main() -> int:
    """Measure, compare, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, default=1_000_000)
    parser.add_argument("--slow", type=int, default=50_000, help="persons for the loop (a tenth for DataFrame.apply)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    persons = make_persons(options.persons, options.seed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    begin, used = time.perf_counter(), time.process_time()
    done = timed("transform", lambda frame: transform(frame, MAPPING), persons)
    candidates = done.candidates
    timed(
        "assign_usernames",
        lambda frame: assign_usernames(frame["username"], frame["person_id"], set()),
        candidates,
    )
    _report("together", len(persons), time.perf_counter() - begin, time.process_time() - used)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:,.0f} MB (input made: {before:,.0f} MB); reasons: {len(done.reasons):,}")
    few = persons.head(options.slow)
    loop = timed("plain loop", by_loop, few)
    fewer = persons.head(max(1, options.slow // 10))
    applied = timed("DataFrame.apply", by_apply, fewer)
    same = loop.equals(ours(few)) and applied.equals(ours(fewer))
    print("results are equal" if same else "RESULTS DIFFER")
    if not same:
        print(loop.compare(ours(few)).head())
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
