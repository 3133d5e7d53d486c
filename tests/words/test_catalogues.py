"""Every catalogue has every code with the same parameters, and every sentence in the code is in the catalogues."""

from __future__ import annotations

import ast
import string
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import moodle_coupling
from moodle_coupling.words.sentence import catalogue, entries, languages

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(moodle_coupling.__file__).parent
OTHERS = [each for each in languages() if each != "en"]


def is_code(entry: str) -> bool:
    return entry in entries("en")


def first(entry: str | tuple[str, ...]) -> str:
    return entry if isinstance(entry, str) else entry[0]


def holes(entry: str | tuple[str, ...]) -> set[str]:
    forms = (entry,) if isinstance(entry, str) else entry
    return {name for form in forms for _, name, _, _ in string.Formatter().parse(form) if name is not None}


def sentences() -> Iterator[tuple[str, str, set[str] | None]]:
    """Give each ``Sentence("code", …)`` of the package: where it stands, its code, and its parameters (None: not all named)."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "Sentence" or not node.args:
                continue
            code = node.args[0]
            codes = [code.body, code.orelse] if isinstance(code, ast.IfExp) else [code]
            named = (
                None if any(each.arg is None for each in node.keywords) else {str(each.arg) for each in node.keywords}
            )
            for each in codes:
                if isinstance(each, ast.Constant):
                    yield f"{path.relative_to(PACKAGE)}:{node.lineno}", each.value, named


@pytest.mark.parametrize("language", OTHERS)
def test_every_code_is_in_every_language_with_the_same_parameters(language: str):
    said = entries(language)
    assert sorted(set(entries("en")) - set(said)) == []
    assert [code for code, entry in entries("en").items() if holes(entry) != holes(said[code])] == []


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_no_code_is_a_text_of_a_page_with_the_same_values(language: str):
    texts = [message for message in catalogue(language) if message.id and not is_code(first(message.id))]
    assert [
        message.id for message in texts if " " not in first(message.id) and "." in first(message.id).strip(".…")
    ] == []
    assert [message.id for message in texts if holes(message.id) != holes(message.string)] == []


@pytest.mark.parametrize("language", languages())
def test_no_text_is_empty_or_said_twice(language: str):
    assert [english for english, said in entries(language).items() if not all(said)] == []
    text = catalogue(language)
    assert len(entries(language)) == sum(1 for message in text if message.id)


def test_every_sentence_in_the_code_is_in_the_catalogue_with_what_it_needs():
    wrong = []
    for where, code, named in sentences():
        if code not in entries("en"):
            wrong.append(f"{where}: no entry {code}")
        elif named is not None and (lacking := holes(entries("en")[code]) - named):
            wrong.append(f"{where}: {code} needs {sorted(lacking)}")
    assert wrong == []
