"""What people read: a code with parameters, which becomes a text in the reader's language only where somebody reads it.

Sentences travel through frames, the ledger and exceptions. ``str()`` gives the English, which is what logs hold.

There is one renderer, and one catalogue in gettext's format per language: ``locale/<language>.po``; a third language is one
more such file. Two kinds of entries stand in it. A code (``evidence.linked``, no spaces in it) is said by a Sentence, and
stands in every file, en.po included. A text of a page is written in English where it is shown (``_("Paused by {name}")``)
and stands in every file but en.po.

In a text ``{name}`` is a parameter as it is; a list is written 'a, b and c', a sentence in it in the same language. What
else can be asked for: ``{n:number}`` 1,234; ``{share:percent}`` 5.2 %; ``{names:and}``, ``{names:or}``; ``{names:ten}`` at
most ten of them and how many more; ``{names:comma}`` 'a, b, c'; ``{parts:plus}`` 'a + b'; ``{parts:while}`` 'a, while b'; ``{parts:clauses}`` 'A; b.';
``{parts:lines}`` one below the other; ``{text:capital}`` with a capital first; ``{share:precise}`` 5.2184 %, with all decimals that it has. An entry with
a plural chooses by ``n``.
Codes ``list.and`` and the like say how lists are joined.
"""

from __future__ import annotations

import json
import string
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from babel.messages.catalog import Catalog

_CODE: Final = "say"
"""The key of the code in a sentence as JSON; no parameter has that name."""
TEXT: Final = "text"
"""The code of a text from elsewhere, shown as it is: what older rows of the ledger hold, or what Moodle answered."""
ALL: Final = "all"
"""The code of several sentences, one after another."""
LINES: Final = "lines"
"""The code of several sentences, one below the other; the first says the most, where one line is to be kept."""


class Sentence:
    """A ``code`` of the catalogues and its ``parameters``: texts, numbers, truths, sentences, or lists of these.

    Two sentences are equal when they say the same. How a parameter is written (``{count:number}``, ``{names:and}``) is said by
    the catalogue.
    """

    __slots__ = ("code", "parameters")

    def __init__(self, code: str, /, **parameters: Any) -> None:
        self.code = code
        self.parameters = parameters

    def __str__(self) -> str:
        return ENGLISH.say(self)

    def __repr__(self) -> str:
        return f"Sentence({self.written()})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sentence) and self.written() == other.written()

    def __hash__(self) -> int:
        return hash(self.written())

    def written(self) -> str:
        """Give the sentence as JSON, as frames and the ledger keep it; ``read`` gives it back."""
        return json.dumps(self, default=_plain, ensure_ascii=False, sort_keys=True)


def text(said: str) -> Sentence:
    """Give a text from elsewhere as a sentence; every language shows it as it is."""
    return Sentence(TEXT, text=said)


def as_sentence(said: Sentence | str) -> Sentence:
    """Give a sentence, one as JSON, or a text from elsewhere as a sentence."""
    return said if isinstance(said, Sentence) else read(said) or text("")


def in_turn(sentences: Iterable[Sentence]) -> Sentence:
    """Give several sentences, one after another, as one."""
    parts = [part for each in sentences for part in (each.parameters["parts"] if each.code == ALL else [each])]
    return parts[0] if len(parts) == 1 else Sentence(ALL, parts=parts)


def in_lines(sentences: Iterable[Sentence]) -> Sentence:
    """Give several sentences, one below the other, as one."""
    return Sentence(LINES, parts=list(sentences))


def read(written: str) -> Sentence | None:
    """Give what ``written`` gave as JSON; None for ''. Anything else is a text of before there were codes."""
    if not written:
        return None
    if written.startswith("{"):
        try:
            found = with_sentences(written)
        except ValueError:
            return text(written)
        if isinstance(found, Sentence):
            return found
    return text(written)


def after(written: str, *more: Sentence) -> str:
    """Give what ``written`` says, and then ``more``, as one sentence, written; what was written is not read for it."""
    parts = [embedded(written)] if written else []
    return f'{{"{_CODE}": "{ALL}", "parts": [{", ".join([*parts, *(each.written() for each in more)])}]}}'


def embedded(written: str) -> str:
    """Give a written sentence, or a text of before there were codes, as it stands in other JSON."""
    is_sentence = written.startswith("{") and f'"{_CODE}": "' in written
    return written if is_sentence else json.dumps(text(written), default=_plain, ensure_ascii=False)


def with_sentences(written: str) -> Any:
    """Read JSON in which sentences stand among other things."""
    return json.loads(written, object_hook=_sentence)


def _plain(value: Any) -> Any:
    if isinstance(value, Sentence):
        return {_CODE: value.code} | value.parameters
    if hasattr(value, "item"):  # a number or truth of numpy
        return value.item()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    msg = f"{type(value).__name__} cannot be a parameter of a sentence"
    raise TypeError(msg)


def _sentence(found: dict[str, Any]) -> Any:
    return Sentence(found.pop(_CODE), **found) if isinstance(found.get(_CODE), str) else found


LOCALE: Final = Path(__file__).parent / "locale"
_TEN: Final = 10
_PRECISE: Final = 6


class Texts:
    """The texts of one language; called as ``_`` in templates and pages.

    ``_("Paused by {name}", name=who)`` gives the language's text for the English one, or for a code, filled in. Values are filled
    in as they are: in a template the result is escaped as a whole.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._formatter = _Formatter(self)

    def __call__(self, text: str, /, **values: Any) -> str:
        """Give a text by its English or its code."""
        known = entries(self.language).get(text)
        if known is None:
            return self._filled(text, values)
        if isinstance(known, str):
            return self._filled(known, values)
        return self._filled(self._form(known, values.get("n", 2)), values)

    def say(self, sentence: Sentence | str | None, /) -> str:
        """Give the text of a sentence, also of one as JSON; '' for none."""
        if isinstance(sentence, str):
            sentence = read(sentence)
        return "" if sentence is None else self(sentence.code, **sentence.parameters)

    def knows(self, code: str) -> bool:
        """Tell whether the language has a text for a code."""
        return code in entries(self.language)

    def plural(self, one: str, many: str, number: int, /, **values: Any) -> str:
        """Give ``one`` for 1 and ``many`` for other numbers, as the language counts; ``{n}`` is the number as it writes it."""
        known = entries(self.language).get(one)
        if isinstance(known, tuple):
            return self._filled(self._form(known, number), {"n": self.number(number), **values})
        return self(one if number == 1 else many, n=self.number(number), **values)

    def number(self, value: float) -> str:
        """Write a whole number with the language's thousands mark."""
        from babel.numbers import format_decimal

        return str(format_decimal(round(value), locale=self.language))

    def percent(self, share: float, *, apart_from: float | None = None) -> str:
        """Write a share as a percentage, with one decimal where it needs one.

        With more where it would else read the same as the share ``apart_from``, which it is not.
        """
        text = self.percentage(share, 1)
        for digits in range(2, 7):
            if apart_from is None or share == apart_from or text != self.percentage(apart_from, 1):
                break
            text = self.percentage(share, digits)
        return text

    def percentage(self, share: float, digits: int) -> str:
        """Write a share as a percentage, with as many decimals as it needs, at most ``digits``."""
        from babel.numbers import format_decimal

        return f"{format_decimal(round(share * 100, digits), format='#,##0.######', locale=self.language)} %"

    def listed(self, names: Sequence[Any], how: str = "and", *, more: int = 0) -> str:
        """Write names as a list: 'a, b and c', or with ``more`` 'a, b and 3 more'; ``how`` is 'and' or 'or'."""
        parts = [self.shown(name) for name in names]
        if more:
            parts.append(self("list.more", n=more))
        if len(parts) < 2:
            return "".join(parts)
        return self(f"list.{how}", first=", ".join(parts[:-1]), last=parts[-1])

    def shown(self, value: Any) -> str:
        """Write a parameter as it is when nothing else is asked for."""
        if isinstance(value, Sentence):
            return self.say(value)
        if isinstance(value, (list, tuple)):
            return self.listed(value)
        return str(value)

    def _form(self, forms: tuple[str, ...], number: int) -> str:
        return forms[int(_plural_of(self.language)(number))]

    def _filled(self, text: str, values: Mapping[str, Any]) -> str:
        return self._formatter.vformat(text, (), values) if values else text


class _Formatter(string.Formatter):
    """Fills in what a catalogue asks for."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def format_field(self, value: Any, format_spec: str) -> str:
        write = _WRITTEN.get(format_spec)
        return write(self._texts, value) if write else super().format_field(value, format_spec)


def _capital(said: str) -> str:
    return said[:1].upper() + said[1:]


_WRITTEN: Final[dict[str, Callable[[Texts, Any], str]]] = {
    "": Texts.shown,
    "number": Texts.number,
    "percent": Texts.percent,
    "and": lambda texts, names: texts.listed(names, "and"),
    "or": lambda texts, names: texts.listed(names, "or"),
    "comma": lambda texts, names: ", ".join(texts.shown(name) for name in names),
    "plus": lambda texts, parts: " + ".join(map(texts.shown, parts)),
    "ten": lambda texts, names: texts.listed(names[:_TEN], more=len(names[_TEN:])),
    "capital": lambda texts, value: _capital(texts.shown(value)),
    "precise": lambda texts, share: texts.percentage(share, _PRECISE),
    "while": lambda texts, parts: texts.listed(parts, "while"),
    "clauses": lambda texts, parts: f"{_capital('; '.join(texts.shown(part) for part in parts))}.",
    "sentences": lambda texts, parts: " ".join(texts.say(part) for part in parts),
    "lines": lambda texts, parts: "\n".join(map(texts.shown, parts)),
}


@cache
def language_codes() -> tuple[str, ...]:
    """Give the codes of the languages there are: one per catalogue, English first."""
    return tuple(sorted((path.stem for path in LOCALE.glob("*.po")), key=lambda code: (code != "en", code)))


@cache
def languages() -> dict[str, str]:
    """Give the languages there are, each under its code by its own name: 'nl' is 'Nederlands'. English comes first."""
    from babel import Locale

    return {code: str(Locale.parse(code).get_language_name(code)).capitalize() for code in language_codes()}


@cache
def catalogue(language: str) -> Catalog:
    """Read the catalogue of a language."""
    from babel.messages.pofile import read_po

    with (LOCALE / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


@cache
def entries(language: str) -> dict[str, str | tuple[str, ...]]:
    """Give the texts of a language by English text or code; the forms of a plural as a tuple."""
    found: dict[str, str | tuple[str, ...]] = {}
    for message in catalogue(language):
        if message.id and message.string:
            key = message.id[0] if isinstance(message.id, (list, tuple)) else message.id
            found[key] = tuple(message.string) if isinstance(message.string, (list, tuple)) else message.string
    return found


@cache
def _plural_of(language: str) -> Any:
    from gettext import c2py

    from babel.messages.plurals import get_plural

    return c2py(get_plural(language).plural_expr)


ENGLISH: Final = Texts("en")
