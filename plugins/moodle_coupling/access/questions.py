"""Targets that Moodle has under another name: what is asked of each, and what a name stands for once that is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moodle_coupling.contract.columns import AccessCode
from moodle_coupling.contract.facts import MismatchFacts
from moodle_coupling.contract.verdicts import Verdict
from moodle_coupling.words.meanings import CALLED, target_key, target_named
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import pandas as pd

Target = tuple[str, str]
"""Kind and name."""
_BY_NUMBER: Final = "#"
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Alike:
    """A cohort or course that may be meant; ``values`` are its ID number or short name, and what it is CALLED.

    ``exact``: the name by which just this one is found; '' where there is none, or Moodle does not tell it. ``code``: an
    AccessCode where nothing can be written to it.
    """

    number: int
    values: Mapping[str, str]
    exact: str = ""
    code: str = ""

    @property
    def named(self) -> Sentence:
        """What it is called in a sentence."""
        return target_named(self.number, self.values)

    @property
    def text(self) -> str:
        """What it is called in a value of a plan, in any language."""
        called, key = self.values[CALLED], target_key(self.values)
        return f"{called or key} ({key or self.number})"


@dataclass(frozen=True, slots=True)
class Question:
    """A target that Moodle does not have by its name, looked up ``by`` that field, and what is alike."""

    kind: str
    name: str
    by: str
    alike: tuple[Alike, ...]

    @property
    def target(self) -> Target:
        """Give the target as it is named."""
        return self.kind, self.name

    @property
    def facts(self) -> MismatchFacts:
        """What the question stands on: when any of it changes, it is asked anew."""
        return MismatchFacts(
            target={"kind": self.kind, "name": self.name, "by": self.by},
            accounts={str(one.number): dict(one.values) for one in self.alike},
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody decided: the ``number`` of what a name stands for (None: of nothing), and whether it is still ``asked``."""

    number: int | None = None
    asked: bool = True


def subject(target: Target) -> str:
    """Name a target as the ledger names what a mismatch is about."""
    return " ".join(target)


def by_number(number: int, called: str = "") -> str:
    """Give the name under which a target is kept that has none of its own: '#12 Docenten'."""
    return f"{_BY_NUMBER}{number} {called}".strip()[:_LONGEST]


def number_in(name: str) -> int | None:
    """Give the number that ``by_number`` wrote; None for any other name."""
    first = name.split(" ", 1)[0]
    digits = first.removeprefix(_BY_NUMBER)
    return int(digits) if first != digits and digits.isascii() and digits.isdigit() and len(digits) < 19 else None


def mismatches(questions: Sequence[Question], waiting: Mapping[Target, int]) -> pd.DataFrame:
    """Give questions as mismatches for the ledger, one row each; ``waiting``: how many persons belong there."""
    import pandas as pd

    rows = [
        {
            "subject": subject(one.target),
            "verdict": Verdict.TARGET_ELSEWHERE.value,
            "facts": one.facts.written(),
            "other_accounts": str(sorted(each.number for each in one.alike)),
            "called": one.name,
            "evidence": _evidence(one, waiting.get(one.target, 0)).written(),
        }
        for one in questions
    ]
    columns = ["subject", "verdict", "facts", "other_accounts", "called", "evidence"]
    return pd.DataFrame(rows, columns=columns, dtype="str")


def _evidence(one: Question, waiting: int) -> Sentence:
    alike = [each.named for each in one.alike]
    kind = Sentence(f"access.kind.{one.kind}")
    return Sentence("evidence.target_elsewhere", kind=kind, name=one.name, alike=alike, number=len(alike), n=waiting)


def waiting(wanted: pd.DataFrame, targets: Collection[Target]) -> dict[Target, int]:
    """Count the persons who belong in each of these targets, by rows of ACCESS_WANTED in which they are as they are named."""
    some = wanted[wanted["row"].notna() & wanted["target"].isin([name for _, name in targets])]
    some = some[some["code"] != AccessCode.OUT_OF_SCOPE]
    found = some.groupby(["kind", "target"])["row"].nunique()
    rows = found.reset_index(name="number").itertuples(index=False, name=None)
    return {(kind, name): int(number) for kind, name, number in rows}


def kept_in(given: pd.DataFrame, kept: Iterable[tuple[str, int, str]]) -> pd.DataFrame:
    """Give what was given (ACCESS_GIVEN) under the names by which targets are kept now: (kind, number, name).

    Where somebody has one target under two names what we gave counts.
    """
    found = given.copy()
    for kind, number, name in kept:
        found.loc[(found["kind"] == kind) & (found["target_id"] == number), "target"] = name
    return found.sort_values("ours", ascending=False, kind="stable").drop_duplicates(["account_id", "kind", "target"])
