"""What a scale test is judged by: who should be where, who is, and how much memory that took. Pure: nothing is asked or started here."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

FEWEST: Final = 30
DEFAULT_PEOPLE: Final = 100_000
HEADINGS: Final = ("PersonId", "ExternId", "Voornaam", "Tussenvoegsel", "Achternaam", "E-mail")
_FIRST: Final = ("Anna", "Bram", "Céline", "Daan", "Eva", "Fatma", "Gijs", "Hüseyin", "Ines", "Jan", "Zoë")
_INFIX: Final = ("", "", "de", "van der", "")
_LAST: Final = ("Jansen", "Bakker", "Visser", "Smit", "Yılmaz", "Öztürk", "Kowalski", "Müller", "Peters")
_SHOWN: Final = 5


class NoSize(ValueError):
    """SCALE_PEOPLE is not a number of people that can be tried."""


def people_wanted(said: str) -> int:
    """Give the number of people that SCALE_PEOPLE asks for, in all environments together; '' is the default.

    Raises NoSize with a text that says what it must be.
    """
    if not said.strip():
        return DEFAULT_PEOPLE
    plain = said.strip().replace("_", "").replace(",", "")
    if not plain.isascii() or not plain.isdecimal() or int(plain) < FEWEST:
        msg = f"SCALE_PEOPLE={said!r} must be a whole number of {FEWEST} or more"
        raise NoSize(msg)
    return int(plain)


def shares(people: int, environments: int) -> list[int]:
    """Divide people over environments as evenly as it goes; the first ones get the rest."""
    each, rest = divmod(people, environments)
    return [each + (number < rest) for number in range(environments)]


def idnumbers(environment: str, people: int) -> list[str]:
    """Give the idnumbers of an environment's people, each once."""
    return [f"{environment}-{number:07}" for number in range(people)]


def people_csv(environment: str, people: int) -> str:
    """Invent an environment's people as a CSV. Many share a name, and nobody an address or an idnumber."""
    text = io.StringIO()
    rows = csv.writer(text, delimiter=";", lineterminator="\n")
    rows.writerow(HEADINGS)
    for number, idnumber in enumerate(idnumbers(environment, people)):
        first, infix, last = (names[number % len(names)] for names in (_FIRST, _INFIX, _LAST))
        rows.writerow((number + 1, idnumber, first, infix, last, f"p{number}@{environment}.example.org"))
    return text.getvalue()


@dataclass(frozen=True)
class Counted:
    """What there is of one environment at the end.

    ``persons``: the idnumbers in the source. ``accounts``: the idnumber of each account in the sandbox. ``outcomes``: idnumber and
    status of each outcome that stands for the first run.
    """

    environment: str
    persons: frozenset[str]
    accounts: tuple[str, ...]
    outcomes: tuple[tuple[str, str], ...]


def faults(counted: Counted) -> list[str]:
    """Say whatever is wrong, one line for each kind of fault; empty when each person is one account and one outcome 'done'."""
    accounts, outcomes = Counter(counted.accounts), Counter(idnumber for idnumber, _ in counted.outcomes)
    unfinished = [idnumber for idnumber, status in counted.outcomes if status != "done"]
    found = {
        "have no account (lost)": counted.persons - accounts.keys(),
        "have two accounts or more (doubled)": _several(accounts),
        "have an account and are in no source": accounts.keys() - counted.persons,
        "have no outcome in the ledger": counted.persons - outcomes.keys(),
        "have two outcomes or more in the ledger": _several(outcomes),
        "have an outcome and are in no source": outcomes.keys() - counted.persons,
        "did not end as 'done' in the ledger": unfinished,
    }
    return [f"{counted.environment}: {len(who)} {what}: {_some(who)}" for what, who in found.items() if who]


def _several(counts: Counter[str]) -> set[str]:
    return {idnumber for idnumber, number in counts.items() if number > 1}


def _some(who: Iterable[str]) -> str:
    listed = sorted(who)
    return ", ".join(listed[:_SHOWN]) + (", …" if len(listed) > _SHOWN else "")


def kilobytes(smaps_rollup: str) -> tuple[int, int]:
    """Give what a process takes, in kB, from the text of /proc/<pid>/smaps_rollup: its share of what it shares, and as if it shared nothing."""
    lines = dict(line.split(":", maxsplit=1) for line in smaps_rollup.splitlines() if ":" in line)
    shared, alone = (int(lines[name].split()[0]) if name in lines else 0 for name in ("Pss", "Rss"))
    return shared, alone


class Peaks:
    """The most memory seen, of a worker as a whole and of one process below it as if it were alone; all in kB."""

    def __init__(self) -> None:
        self.idle: dict[str, int] = {}
        self.whole: dict[str, int] = {}
        self.process: dict[str, int] = {}

    def note(self, worker: str, processes: Iterable[tuple[int, int]]) -> None:
        """Note what the processes of a worker take at one moment (kilobytes); the first moment counts as idle."""
        sizes = list(processes)
        if not sizes:
            return
        whole = sum(shared for shared, _ in sizes)
        self.idle.setdefault(worker, whole)
        self.whole[worker] = max(self.whole.get(worker, 0), whole)
        self.process[worker] = max(self.process.get(worker, 0), *(alone for _, alone in sizes))

    def lines(self) -> list[str]:
        """Say it, one line a worker."""
        return [
            f"{worker}: {_mb(self.idle[worker])} MB idle, {_mb(most)} MB at most; its largest process alone {_mb(self.process[worker])} MB"
            for worker, most in sorted(self.whole.items())
        ]


def _mb(kb: int) -> int:
    return round(kb / 1024)
