r"""Regular expressions of the mapping file, for an engine that needs a number of steps in proportion to the text.

They are written, and mean what they mean, as in Python's ``re``; they are run by RE2, which never goes back in a text. So
``(a+)+`` cannot hold up a run, whatever stands in a person's record. What RE2 cannot do at all is refused when the file is
loaded. Limits of RE2 as measured with pyarrow 26: 1,000 repetitions, also of groups in groups, and about 400 times ``\w``.
"""

from __future__ import annotations

import importlib
import re
import warnings
from typing import Any, Final

from moodle_coupling.words.sentence import Sentence

# Python has no public way to read an expression into its parts; the same since 3.11, and tests/mapping/test_patterns.py compares
# what is made of them with what re itself finds.
_parser: Any = importlib.import_module("re._parser")

_MOST_TIMES: Final = 1000
_MOST_WORK: Final = 40_000
_WORD: Final = r"\p{L}\p{N}_"
_SPACE: Final = r"\t-\r\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
_NO_SPACE: Final = (
    r"\x{0}-\x{8}\x{e}-\x{1b}\x{21}-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}"
    r"\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff}"
)
_CLASSES: Final = {
    "CATEGORY_DIGIT": r"\p{Nd}",
    "CATEGORY_NOT_DIGIT": r"\P{Nd}",
    "CATEGORY_SPACE": _SPACE,
    "CATEGORY_NOT_SPACE": _NO_SPACE,
    "CATEGORY_WORD": _WORD,
}
"""What Python means by ``\\d``, ``\\s`` and ``\\w``: all of Unicode; RE2 means ASCII by them."""
_ASCII_CLASSES: Final = {
    "CATEGORY_DIGIT": "0-9",
    "CATEGORY_NOT_DIGIT": r"\x{0}-/:-\x{10ffff}",
    "CATEGORY_SPACE": r"\t-\r ",
    "CATEGORY_NOT_SPACE": r"\x{0}-\x{8}\x{e}-\x{1f}!-\x{10ffff}",
    "CATEGORY_WORD": "0-9A-Za-z_",
}
_WORK: Final = {_WORD: 120, r"\p{Nd}": 10, r"\P{Nd}": 22, _NO_SPACE: 4, _SPACE: 4}
"""How large RE2's program for a class is, at most, in letters."""
_DOTTED: Final = frozenset("Ii\u0130\u0131")
"""The i with and without its dot, small and capital: one letter to Python when case is ignored, to RE2 two."""
_REFUSED: Final = {
    "ASSERT": Sentence("mapping.pattern.ahead"),
    "ASSERT_NOT": Sentence("mapping.pattern.not_ahead"),
    "GROUPREF": Sentence("mapping.pattern.back"),
    "GROUPREF_EXISTS": Sentence("mapping.pattern.whether"),
    "ATOMIC_GROUP": Sentence("mapping.pattern.atomic"),
    "POSSESSIVE_REPEAT": Sentence("mapping.pattern.possessive"),
}
_AT: Final = {
    "AT_BEGINNING_STRING": r"\A",
    "AT_END_STRING": r"\z",
}


class NoPattern(ValueError):
    """A text that is no regular expression, or one that cannot be run in steady time; says why."""


def linear_pattern(pattern: str) -> str:
    """Return the expression in RE2's words, such that it matches a whole text exactly when Python's ``re`` does.

    Only letters that are newer than either's edition of Unicode may differ, and a ``$`` before a last line end, which no cleaned text has.

    Raises:
        NoPattern: it is no regular expression, or has parts that no engine can run without going back.

    """
    try:
        with warnings.catch_warnings(action="error"):
            re.compile(pattern)
            parts = _parser.parse(pattern)
        return rf"\A(?:{_Writer().sequence(parts, parts.state.flags, 1)})\z"
    except NoPattern:
        raise
    except (re.error, Warning, OverflowError, RecursionError) as error:
        raise NoPattern(Sentence("mapping.pattern.not_one", error=str(error))) from None


class _Writer:
    """Writes the parts of an expression, and adds up how large RE2's program becomes."""

    def __init__(self) -> None:
        self.work = 0

    def sequence(self, parts: Any, flags: int, times: int) -> str:
        return "".join(self._part(str(kind), value, flags, times) for kind, value in parts)

    def _part(self, kind: str, value: Any, flags: int, times: int) -> str:
        if kind in _REFUSED:
            _refuse(_REFUSED[kind])
        if kind in ("MAX_REPEAT", "MIN_REPEAT"):
            return self._repeat(value, flags, times, lazy=kind == "MIN_REPEAT")
        if kind == "SUBPATTERN":
            _, added, dropped, inner = value
            return f"(?:{self.sequence(inner, (flags | added) & ~dropped, times)})"
        if kind == "BRANCH":
            return f"(?:{'|'.join(self.sequence(branch, flags, times) for branch in value[1])})"
        if kind == "AT":
            return _place(str(value), flags)
        return self._letter(kind, value, flags, times)

    def _repeat(self, value: Any, flags: int, times: int, *, lazy: bool) -> str:
        least, most, inner = value
        endless = most == _parser.MAXREPEAT
        copies = max(1, least if endless else most)
        # A count is written out in RE2: groups in groups multiply.
        if times * copies > _MOST_TIMES:
            _refuse(Sentence("mapping.pattern.too_many", most=_MOST_TIMES))
        text = self.sequence(inner, flags, times * (copies + (endless and copies > 1)))
        count = {"0,": "*", "1,": "+", "0,1": "?"}.get(said := f"{least},{'' if endless else most}", f"{{{said}}}")
        return f"(?:{text}){count}{'?' * lazy}"

    def _letter(self, kind: str, value: Any, flags: int, times: int) -> str:
        """Write what stands for one letter."""
        if kind == "ANY":
            self._add(times)
            return "(?s:.)" if flags & re.DOTALL else r"[^\n]"
        members = value if kind == "IN" else [(kind.removeprefix("NOT_"), value)]
        negated = kind == "NOT_LITERAL" or str(members[0][0]) == "NEGATE"
        inside = [(str(name), said) for name, said in members if str(name) != "NEGATE"]
        no_word = ("CATEGORY", _parser.CATEGORY_NOT_WORD)
        if inside == [no_word]:
            inside, negated = [("CATEGORY", _parser.CATEGORY_WORD)], not negated
        elif no_word in inside and not negated:
            others = [one for one in inside if one != no_word]
            return f"(?:{'|'.join(self._letter('IN', some, flags, times) for some in (others, [no_word]))})"
        text = "".join(self._member(name, said, flags, times) for name, said in inside)
        written = f"[{'^' * negated}{text}]"
        return f"(?i:{written})" if flags & re.IGNORECASE else written

    def _member(self, kind: str, value: Any, flags: int, times: int) -> str:
        if kind == "CATEGORY":
            classes = _ASCII_CLASSES if flags & re.ASCII else _CLASSES
            if str(value) not in classes:
                _refuse(Sentence("mapping.pattern.no_word"))
            text = classes[str(value)]
            self._add(times * _WORK.get(text, 1))
            return text
        low, high = (value, value) if kind == "LITERAL" else value
        self._add(times)
        text = _escaped(low) if low == high else f"{_escaped(low)}-{_escaped(high)}"
        if not flags & re.IGNORECASE:
            return text
        if flags & re.ASCII:
            _refuse(Sentence("mapping.pattern.ascii_case"))
        dotted = any(low <= ord(letter) <= high for letter in _DOTTED)
        return text + ("".join(_escaped(ord(letter)) for letter in sorted(_DOTTED)) if dotted else "")

    def _add(self, work: int) -> None:
        self.work += work
        if self.work > _MOST_WORK:
            _refuse(Sentence("mapping.pattern.too_large"))


def _place(at: str, flags: int) -> str:
    if at in ("AT_BOUNDARY", "AT_NON_BOUNDARY"):
        _refuse(Sentence("mapping.pattern.edge"))
    if at in _AT:
        return _AT[at]
    begins = at == "AT_BEGINNING"
    if flags & re.MULTILINE:
        return "(?m:^)" if begins else "(?m:$)"
    return r"\A" if begins else r"\z"


def _escaped(code: int) -> str:
    letter = chr(code)
    if 0xD800 <= code < 0xE000:
        _refuse(Sentence("mapping.pattern.surrogate"))
    return letter if letter.isascii() and letter.isalnum() else rf"\x{{{code:x}}}"


def _refuse(why: Sentence) -> Any:
    raise NoPattern(Sentence("mapping.pattern.refused", why=why))
