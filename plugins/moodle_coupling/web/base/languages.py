"""Dutch and English. Texts are written in English; the files in locale/nl give the Dutch of each."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.contract.fields import FIELDS
from moodle_coupling.contract.verdicts import VERDICTS

if TYPE_CHECKING:
    from fastapi import Request

COOKIE: Final = "moodle_lang"
LANGUAGES: Final = {"en": "English", "nl": "Nederlands"}
_LOCALE: Final = Path(__file__).parent / "locale"


class Texts:
    """The texts of one language; called as ``_`` in templates and pages.

    ``_("Paused by {name}", name=who)`` gives the Dutch of the English text, or the English itself, filled in. Values are
    filled in as they are: in a template the result is escaped as a whole.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._known = dutch() if language == "nl" else {}

    def __call__(self, english: str, /, **values: Any) -> str:
        """Give a text."""
        text = self._known.get(english, english)
        return text.format(**values) if values else text

    def plural(self, one: str, many: str, number: int, /, **values: Any) -> str:
        """Give ``one`` for 1 and ``many`` for any other number; ``{n}`` is the number, as this language writes it."""
        return self(one if number == 1 else many, n=self.number(number), **values)

    def number(self, value: float) -> str:
        """Write a whole number with the language's thousands mark."""
        written = f"{value:,.0f}"
        return written.replace(",", ".") if self.language == "nl" else written


def say(english: str) -> str:
    """Mark a text that is translated where it is shown; gives it as it is."""
    return english


def texts_for(request: Request) -> Texts:
    """Give the texts of a request: of its cookie ``moodle_lang``, else of the browser's languages, else English."""
    chosen = request.cookies.get(COOKIE, "")
    return Texts(chosen if chosen in LANGUAGES else accepted(request.headers.get("accept-language", "")))


def accepted(header: str) -> str:
    """Give the language we have that an Accept-Language header likes best; English when it likes none."""
    best, weight = "en", 0.0
    for part in header.split(","):
        tag, _, parameters = part.strip().partition(";")
        language = tag.split("-")[0].strip().lower()
        liked = _quality(parameters)
        if language in LANGUAGES and liked > weight:
            best, weight = language, liked
    return best


@cache
def dutch() -> dict[str, str]:
    """Give the Dutch of every English text: of fields and verdicts, and what the files of locale/nl, one a page, hold together."""
    said = [text for row in VERDICTS.values() for text in (row.word, row.code, row.meaning) if text is not None]
    found = {field.english.heading: field.dutch.heading for field in FIELDS} | {text.en: text.nl for text in said}
    for path in sorted((_LOCALE / "nl").glob("*.json")):
        found |= json.loads(path.read_text("utf-8"))
    return found


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(float(value), 1.0)
    except ValueError:
        return 0.0
