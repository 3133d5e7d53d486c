"""Make the sample people and the sandbox's accounts: every kind of case, with the same seed always the same files.

The people are there twice: as a file (persons.csv) and as Coachview has them (coachview.json), so that the coupling does the
same with both. Only who cannot be in Coachview is in the file alone: a person without a surname, and one whose 'inactive' is
neither yes nor no. Where two people share an extern id, Coachview has it from two sources.

Run it from the project: ``python scripts/make_samples.py``. Everybody is invented; all addresses are at example.org.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import random
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "plugins"))

from moodle_coupling.mapping import Username
from moodle_coupling.people.arrow import to_texts
from moodle_coupling.people.cleaning import with_particles
from moodle_coupling.people.usernames import assign_usernames, base_usernames, plain_maker
from moodle_coupling.sandbox.coachview import DEFAULT_FREE_FIELDS

SAMPLES = Path(__file__).parents[1] / "include" / "samples"
FIRST_ID = 50
ACCOUNTS = 300
PERSON_HEADINGS = [
    "PersonId", "ExternId", "Voorletters", "Voornaam", "Tussenvoegsel", "Achternaam", "E-mail", "E-mail 2", "Plaats", "Land",
    "Afdeling", "Categorie", "Inactief", "Vrijveld1", "Vrijveld2",
]  # fmt: skip
ACCOUNT_HEADINGS = [
    "id", "username", "email", "idnumber", "firstname", "lastname", "auth", "suspended", "city", "country",
    "profile_field_customfield1",
]  # fmt: skip
FIRST = (
    "Jan,Piet,Anne-Marie,Zoë,Renée,Jürgen,Şule,İbrahim,Çağla,Łukasz,Małgorzata,Ελένη,Γιώργος,小明,伟,Fatima,Youssef,Aïcha,"
    "José,Daan,Sem,Lieke,Fleur,Björn,Søren,Noor,Willem,Saskia,Marloes,Thijs,Chloé,Dörte,Ömer,Katarzyna,Hendrik,Sanne"
)
LAST = (
    ",Jansen|de,Vries|van den,Berg|van der,Meer|,Bakker|'t,Hart|d',Ancona|,Müller|,Groß|,Öztürk|,Yılmaz|,Kowalski|,Wójcik|"
    ",Παπαδόπουλος|,王|,李|,El Amrani|,Núñez|,O'Brien|,Visser|van,Dijk|de,Boer|ten,Brink|in 't,Veld|,Jansen-Bakker|,Schröder|"
    ",Kılıç|,Nowak|,Dvořák|van 't,Hof|,Peters|,Smit|op den,Akker|von,Bülow|,Lindström|,Ionescu"
)
CITIES = ["Utrecht", "Amersfoort", "'s-Hertogenbosch", "Den Haag", "Zwolle", "Köln", "Gent"]
COUNTRY = {"Köln": "DE", "Gent": "BE"}
DEPARTMENTS = ["Zorg", "Techniek", "Financiën", "HR"]


@dataclass(frozen=True)
class Person:
    """One line of the persons file."""

    number: int
    first: str
    infix: str
    last: str
    email: str
    city: str
    department: str
    group: str
    extern_id: str = ""
    email2: str = ""
    inactive: str = "nee"
    country: str = ""
    initials: str = field(default="")

    @property
    def person_id(self) -> str:
        """The source's own id: a GUID as Coachview gives, here rising with the number."""
        bits = random.Random(self.number).getrandbits(128)  # noqa: S311
        tail = f"{bits:032x}"
        first = 0x0A00_0000 + self.number * 0x0051_F3B7
        return f"{first:08x}-{tail[8:12]}-4{tail[13:16]}-a{tail[17:20]}-{tail[20:]}"

    def in_coachview(self, extern_source: str) -> dict[str, Any]:
        """Return the person as Coachview has it, what is empty left out."""
        rng = random.Random(f"stamps {self.number}")  # noqa: S311
        created = dt.datetime(2019, 1, 7, 9, tzinfo=dt.UTC) + dt.timedelta(minutes=rng.randrange(2_000_000))
        changed = created + dt.timedelta(minutes=rng.randrange(1_000_000))
        row = {
            "id": self.person_id,
            "voorletters": self.initials,
            "voornaam": self.first,
            "tussenvoegsels": self.infix,
            "achternaam": self.last,
            "inactief": self.inactive == "ja",
            "adres": {"plaats": self.city, "landCode": self.country},
            "email1": self.email,
            "email2": self.email2,
            "externId": self.extern_id,
            "externSource": extern_source if self.extern_id else "",
            "auditTrail": {"aangemaaktDatumTijd": _stamp(created), "gewijzigdDatumTijd": _stamp(changed)},
            "vrijevelden": {
                "Vrijveld1": self.group,
                "VrijveldAfdeling": self.department,
                "VrijveldNotitie": f"Vertrouwelijk over {self.number}",
            },
            "categorieen": ["Cursist", "Medewerker"] if self.number % 40 == 0 else ["Cursist"],
        }
        return {key: value for key, value in row.items() if value != ""}

    def cells(self) -> list[str]:
        """Return the cells under PERSON_HEADINGS."""
        return [
            self.person_id, self.extern_id, self.initials, self.first, self.infix, self.last, self.email, self.email2,
            self.city, self.country, self.department, "Cursist", self.inactive, self.group, "",
        ]  # fmt: skip


def _stamp(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


@dataclass(frozen=True)
class Account:
    """One line of the accounts file, without its id."""

    username: str
    email: str
    idnumber: str
    first: str
    last: str
    city: str = "Utrecht"
    country: str = "NL"
    group: str = ""
    suspended: int = 0


class Town:
    """Makes people who have nothing to do with each other: every name and address occurs once."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311
        lasts = [tuple(name.split(",")) for name in LAST.split("|")]
        self._names = [(first, *last) for first in FIRST.split(",") for last in lasts]
        self._random.shuffle(self._names)
        self._plain = plain_maker({})
        self._number = 0

    def person(self, **given: str) -> Person:
        """Return a new person; ``given`` overrules what is invented."""
        self._number += 1
        first, infix, last = self._names.pop()
        city = self._random.choice(CITIES)
        person = Person(
            number=self._number,
            extern_id=f"CV-{self._number:05}",
            initials="".join(f"{name[0].upper()}." for name in first.split("-")),
            first=first,
            infix=infix,
            last=last,
            email=f"{self._plain(first)}.{self._plain(last)}{self._number}@example.org",
            city=city,
            country=COUNTRY.get(city, "NL"),
            department=self._random.choice(DEPARTMENTS),
            group=f"Groep {self._random.randint(1, 9)}",
        )
        return replace(person, **given)  # type: ignore[arg-type]

    def people(self, number: int, **given: str) -> list[Person]:
        """Return several new people."""
        return [self.person(**given) for _ in range(number)]


def lastname(person: Person) -> str:
    """Return Moodle's last name of a person."""
    return str(with_particles(to_texts([person.infix]), to_texts([person.last]))[0])


def username(person: Person) -> str:
    """Return the person's username before numbering."""
    columns = {"firstname": person.first, "infix": person.infix, "lastname": person.last}
    columns |= {"initials": "", "email": "", "extern_id": ""}
    return str(base_usernames({name: to_texts([text]) for name, text in columns.items()}, Username())[0])


def account(person: Person, **given: str | int) -> Account:
    """Return the account that this person has when nothing changed; ``given`` overrules."""
    made = Account(
        username=username(person),
        email=person.email,
        idnumber=person.extern_id,
        first=person.first,
        last=lastname(person),
        city=person.city,
        country=person.country,
        group=person.group,
    )
    return replace(made, **given)  # type: ignore[arg-type]


def linked(town: Town) -> tuple[list[Person], list[Account]]:
    """Return 250 people with their accounts: 200 unchanged, 30 with another surname, 20 who moved."""
    people = town.people(250)
    accounts = [account(person) for person in people]
    accounts[200:230] = [replace(old, last=f"{old.last}-Voorheen") for old in accounts[200:230]]
    accounts[230:] = [replace(old, city="Leiden", country="NL") for old in accounts[230:]]
    return people, accounts


def questions(town: Town) -> tuple[list[Person], list[Account]]:
    """Return the people that an analyst must look at, and their accounts."""
    people, accounts = [], []

    def put(person: Person, *found: Account) -> None:
        people.append(person)
        accounts.extend(found)

    for person in town.people(8):  # id_missing, by e-mail
        put(person, account(person, idnumber=""))
    for person in town.people(2):  # id_missing, by username
        put(person, account(person, idnumber="", email=f"oud.{person.email}"))
    for person in town.people(4):  # id_differs
        put(person, account(person, idnumber=f"OUD-{person.number}"))
    for person in town.people(6):  # id_other_scheme
        put(person, account(person, idnumber=person.person_id))
    for person in town.people(3):  # id_case
        put(person, account(person, idnumber=person.extern_id.lower()))
    for person in town.people(2):  # email_taken: the new address belongs to a teacher
        teacher = account(town.person(), idnumber="", email=f"docent{person.number}@example.org")
        put(replace(person, email=teacher.email), account(person), teacher)
    for person in town.people(2):  # ambiguous: e-mail here, username there
        other = account(town.person(), idnumber="", email=person.email)
        put(person, other, account(person, idnumber="", email=f"oud.{person.email}"))
    person = town.person()  # duplicate_account
    put(person, account(person), account(person, username=f"{username(person)}2", email=f"oud.{person.email}"))
    for person in town.people(3):  # held
        put(person, account(person, suspended=1))
    return people, accounts


def doubles(town: Town) -> list[Person]:
    """Return people who share an id or an address, which rejects them all."""
    people = []
    for person in town.people(2):
        people += [person, replace(town.person(), extern_id=person.extern_id)]
    person = town.person()
    return [*people, person, replace(town.person(), email=person.email.upper())]


def refused(town: Town) -> list[Person]:
    """Return people whom Moodle would refuse, and values that it would spoil."""
    return [
        *town.people(3, first=""),
        *town.people(3, email=""),
        town.person(email="jan@localhost"),
        town.person(email="jan jansen@example.org"),
        town.person(email="jän@example.org"),
        town.person(email="jan@example.org."),
        town.person(first="<b>Jan</b>"),
        town.person(last="Jansen <script>"),
        *town.people(3, extern_id=""),
        town.person(extern_id="0"),
        town.person(extern_id="CV-" + "9" * 260),
        town.person(last="Zeerlang" + "enaam" * 20),
        town.person(last="", infix=""),
        town.person(first="😀", infix="", last="☂"),
        town.person(inactive="misschien"),
        # Left out, and the person goes through:
        town.person(country="nl"),
        town.person(country="Nederland"),
        town.person(city="Llanfair" + "pwll" * 30),
        *[replace(person, email="geen adres", email2=person.email) for person in town.people(2)],
        # Cleaned, and the person goes through:
        town.person(first="  Anna\u00a0 Maria\u200b"),
        town.person(last="Zoe\u0308termeer"),
        town.person(first="A < B"),
    ]


def orphans(town: Town, number: int) -> list[Account]:
    """Return accounts of nobody in the persons file: some who left, and teachers without an idnumber."""
    accounts = []
    for place in range(number):
        person = town.person()
        idnumber = "" if place % 4 == 3 else f"CV-9{person.number:04}"
        accounts.append(account(person, idnumber=idnumber, email=f"weg{place}@example.org"))
    return accounts


def make(seed: int = 20_26) -> tuple[list[Person], list[Account]]:
    """Return all people and accounts."""
    town = Town(seed)
    people, accounts = linked(town)
    namesakes = [
        replace(town.person(), first=person.first, infix=person.infix, last=person.last) for person in people[:6]
    ]
    asked, found = questions(town)
    people += [*namesakes, *asked, *doubles(town), *refused(town), *town.people(5, inactive="ja")]
    people += town.people(400 - len(people))
    accounts += found
    accounts += orphans(town, ACCOUNTS - len(accounts))
    return people, _with_free_usernames(accounts)


def _with_free_usernames(accounts: list[Account]) -> list[Account]:
    names = pd.Series([item.username for item in accounts], dtype="str")
    order = pd.Series([str(number) for number in range(len(accounts))], dtype="str")
    free = assign_usernames(names, order, set())
    return [replace(item, username=name) for item, name in zip(accounts, free, strict=True)]


def in_coachview(people: list[Person]) -> str:
    """Return the people as JSON for the sandbox Coachview, one on each line."""
    seen: set[str] = set()
    rows = []
    for person in people:
        if person.last and person.inactive in ("ja", "nee"):
            rows.append(person.in_coachview("Magister" if person.extern_id in seen else "AFAS"))
            seen.add(person.extern_id)
    definitions = [asdict(definition) for definition in DEFAULT_FREE_FIELDS]
    parts = ((name, map(_line, items)) for name, items in (("vrijveldDefinities", definitions), ("personen", rows)))
    return "{\n" + ",\n".join(f'"{name}": [\n' + ",\n".join(lines) + "\n]" for name, lines in parts) + "\n}\n"


def _line(item: dict[str, Any]) -> str:
    return json.dumps(item, ensure_ascii=False)


def main() -> None:
    """Write include/samples/persons.csv, coachview.json and accounts.csv."""
    people, accounts = make()
    SAMPLES.mkdir(parents=True, exist_ok=True)
    with (SAMPLES / "persons.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(PERSON_HEADINGS)
        writer.writerows(person.cells() for person in people)
        # One line with a delimiter too many, as happens: it is left out, and the run says so.
        writer.writerow([*people[-1].cells()[:-1], "", "te veel"])
    (SAMPLES / "coachview.json").write_text(in_coachview(people), encoding="utf-8")
    with (SAMPLES / "accounts.csv").open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(ACCOUNT_HEADINGS)
        for number, item in enumerate(accounts, FIRST_ID):
            lines.writerow(
                [number, item.username, item.email, item.idnumber, item.first, item.last, "manual", item.suspended,
                 item.city, item.country, item.group]
            )  # fmt: skip
    print(f"{len(people)} people and {len(accounts)} accounts in {SAMPLES}")


if __name__ == "__main__":
    main()
