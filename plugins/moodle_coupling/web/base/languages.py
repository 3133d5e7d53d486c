"""Which language a request is answered in, of those that words/locale has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moodle_coupling.words.sentence import TEXT, Sentence, Texts, languages, read

if TYPE_CHECKING:
    from fastapi import Request

COOKIE: Final = "moodle_lang"


def say(english: str) -> str:
    """Mark a text that is translated where it is shown; gives it as it is."""
    return english


def texts_for(request: Request) -> Texts:
    """Give the texts of a request: of its cookie ``moodle_lang``, else of the browser's languages, else English."""
    chosen = request.cookies.get(COOKIE, "")
    return Texts(chosen if chosen in languages() else accepted(request.headers.get("accept-language", "")))


def foreign(texts: Texts, stored: Sentence | str | None) -> bool:
    """Tell whether a stored sentence is English on a page of another language: a plain text, without a code."""
    sentence = read(stored) if isinstance(stored, str) else stored
    return texts.language != "en" and sentence is not None and sentence.code == TEXT


def accepted(header: str) -> str:
    """Give the language we have that an Accept-Language header likes best; English when it likes none of them."""
    best, weight = "en", 0.0
    for part in header.split(","):
        tag, _, parameters = part.strip().partition(";")
        language = tag.split("-")[0].strip().lower()
        liked = _quality(parameters)
        if language in languages() and liked > weight:
            best, weight = language, liked
    return best


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(float(value), 1.0)
    except ValueError:
        return 0.0
