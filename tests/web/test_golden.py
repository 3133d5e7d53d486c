"""The main pages as they read, in each language, over a ledger in which everything happened.

What they say is kept in golden/, so that a change of a text shows in a review. After a change that is meant:
``GOLDEN=write python -m pytest tests/web/test_golden.py``.
"""

from __future__ import annotations

import html
import os
import re
from pathlib import Path

import pytest
from web.dags_in_airflow import clear, put
from web.storied import told

from moodle_coupling.words.sentence import entries, languages

GOLDEN = Path(__file__).parent / "golden"
PAGES = (
    "environments",
    "environment",
    "mismatches",
    "mismatch_P1",
    "runs",
    "run",
    "person",
)
SETUP = re.compile(r'<section class="setup".*?</section>\s*</section>', re.DOTALL)
EVIDENCE = re.compile(r'<p class="evidence".*?</p>|(?<=</div>)<p>[^<]*</p>(?=</td>)', re.DOTALL)
"""Why it is a mismatch: tests of matching hold these sentences."""
HOLE = re.compile(r"\{[^}]*\}")


@pytest.fixture
def pages(visit, ledger, mappings, site):
    """Give a function that gives a page of the story as its visible text."""
    put(mappings)
    paths = told(str(ledger._engine.url))

    def read(name: str, language: str, *, evidence: bool = True) -> str:
        page = visit("op", language=language).get(paths[name])
        assert page.status_code == 200, name
        return shown(page.text if evidence else EVIDENCE.sub("", page.text))

    read.names = list(paths)
    yield read
    clear()


def shown(page: str) -> str:
    """Give what a reader sees, a line for each block; how long ago something was depends on the day and is left out."""
    body = SETUP.sub("", page.split("<body", 1)[1].split(">", 1)[1])
    body = re.sub(r"(<time[^>]*data-title[^>]*>)[^<]*", r"\1…", body)
    body = re.sub(r"<(script|svg|style)\b.*?</\1>", "", body, flags=re.DOTALL)
    body = re.sub(r"\s+", " ", body)
    body = re.sub(r"</(p|div|li|tr|h\d|dd|section|button|a|option|label|summary|figcaption)>", "\n", body)
    text = html.unescape(re.sub(r"<[^>]+>", " ", body))
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line) + "\n"


@pytest.mark.parametrize("language", languages())
def test_the_main_pages_read_as_they_did(pages, language):
    different = []
    for name in PAGES:
        file, text = GOLDEN / f"{name}.{language}.txt", pages(name, language, evidence=False)
        if os.environ.get("GOLDEN") == "write":
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        elif file.read_text(encoding="utf-8") != text:
            different.append((name, text))
    for name, text in different:
        assert text.split("\n") == (GOLDEN / f"{name}.{language}.txt").read_text(encoding="utf-8").split("\n")


def fragments(english: str | tuple[str, ...], other: str | tuple[str, ...]) -> set[str]:
    """Give the stretches of an English text, between its parameters, that tell it from the other language's."""
    texts = (english,) if isinstance(english, str) else english
    others = " ".join((other,) if isinstance(other, str) else other)
    parts = {part.strip(" .:;,()'") for text in texts for part in HOLE.split(text)}
    return {part for part in parts if len(part.split()) > 1 and part not in others}


def english_fragments(language: str) -> dict[str, str]:
    """Give each stretch of English that no page of another language may show, with the entry it is of."""
    english = entries("en")
    return {part: key for key, said in entries(language).items() for part in fragments(english.get(key, key), said)}


@pytest.mark.parametrize("language", [each for each in languages() if each != "en"])
def test_no_page_of_another_language_says_anything_in_english(pages, language):
    wanted = english_fragments(language)
    found = {}
    for name in pages.names:
        text = pages(name, language)
        for part, key in wanted.items():
            if part in text and re.search(rf"(?<!\w){re.escape(part)}(?!\w)", text):
                found.setdefault(part, (name, key))
    assert found == {}
