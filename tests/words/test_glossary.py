"""One word for one thing: the Dutch catalogue keeps the glossary."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from moodle_coupling.words.sentence import catalogue, entries

GLOSSARY = Path(__file__).resolve().parents[2] / "docs/glossary.md"
ROW = re.compile(r"^\| (?P<english>[^|]+?) \| (?P<dutch>[^|]+?) \| [^|]+ \|(?P<never>[^|]*)\|$", re.MULTILINE)
ROWS = {row["english"]: row for row in ROW.finditer(GLOSSARY.read_text("utf-8")) if row["english"] != "English"}
ADDRESSED = ("je", "jij", "jou", "jouw", "jullie")
NAMED_IN = {
    "mapping file": "mappingbestand",
    "ID number": "ID-nummer",
    "dry run": "proefrun",
    "quarantine": "quarantaine",
    "account": "account",
    "service user": "servicegebruiker",
    "cohort": "cohort",
    "token": "token",
    "plan": "plan",
    "approval": "goedkeur|goedgekeur",
    "suspended": "geblokkeerd|blokkeerden",
}
"""Words of which each English text that has one has the Dutch one too; others are said otherwise where Dutch reads better so."""
AS_MOODLE_SAYS = ("suspended is", "active, suspended")
"""Texts that quote a column's or a state's own name."""


def flat(entry: str | tuple[str, ...]) -> str:
    return entry if isinstance(entry, str) else " ".join(entry)


def texts() -> list[tuple[str, str]]:
    english = entries("en")
    pairs = []
    for message in catalogue("nl"):
        if message.id:
            key = message.id if isinstance(message.id, str) else message.id[0]
            said = english.get(key, message.id)
            pairs.append((re.sub(r"{[^}]*}", "", flat(said)), re.sub(r"{[^}]*}", "", flat(message.string))))
    return pairs


@pytest.mark.parametrize("english", ROWS)
def test_no_other_word_is_used_for_it(english: str) -> None:
    never = [word.strip() for word in ROWS[english]["never"].split(",") if word.strip()]
    assert [dutch for _, dutch in texts() for word in never if word in dutch.lower()] == []


@pytest.mark.parametrize("english", NAMED_IN)
def test_what_the_english_names_the_dutch_names_too(english: str) -> None:
    assert english in ROWS
    named, wanted = re.compile(rf"\b{english}s?\b", re.IGNORECASE), re.compile(NAMED_IN[english], re.IGNORECASE)
    pairs = [pair for pair in texts() if named.search(pair[0])]
    assert pairs
    assert [
        pair for pair in pairs if not wanted.search(pair[1]) and not any(own in pair[0] for own in AS_MOODLE_SAYS)
    ] == []


def test_the_reader_is_u() -> None:
    wrong = re.compile(rf"\b({'|'.join(ADDRESSED)})\b", re.IGNORECASE)
    assert [dutch for _, dutch in texts() if wrong.search(dutch)] == []
