"""A sentence that nobody has read yet: a code and its parameters; the catalogues of ``locale/`` hold its words.

Sentences travel through frames, the ledger and exceptions, and become a text where a person reads them. ``str()`` gives
the English, which is what logs hold.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_CODE: Final = "say"
"""The key of the code in a sentence as JSON; no parameter has that name."""
TEXT: Final = "text"
"""The code of a text from elsewhere, shown as it is: what older rows of the ledger hold, or what Moodle answered."""
ALL: Final = "all"
"""The code of several sentences, one after another."""


class Sentence:
    """A ``code`` of the catalogues and its ``parameters``: texts, numbers, truths, sentences, or lists of these.

    Two sentences are equal when they say the same. How a parameter is written (``{count:number}``, ``{names:and}``) is said by
    the catalogue, see catalogue.py.
    """

    __slots__ = ("code", "parameters")

    def __init__(self, code: str, /, **parameters: Any) -> None:
        self.code = code
        self.parameters = parameters

    def __str__(self) -> str:
        from moodle_coupling.words.catalogue import ENGLISH

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
