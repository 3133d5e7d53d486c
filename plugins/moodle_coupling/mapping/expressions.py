"""What a value of a mapping file may be written in beside YAML: cron, regular expressions and SQL, each checked before it is used."""

from __future__ import annotations

import importlib
import re
import warnings
from dataclasses import dataclass, field
from typing import Any, Final

from moodle_coupling.mapping.checks import did_you_mean
from moodle_coupling.words.sentence import Sentence

# ---- Cron expressions of a mapping file, checked without Airflow and in the dialect that Airflow reads ----

PRESETS: Final = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")
"""Names that Airflow turns into cron expressions (airflow.utils.dates, 3.3)."""

_LONGEST_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ITEM: Final = re.compile(r"(?P<first>\*|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d{1,2}))?")
_NTH_WEEKDAY: Final = re.compile(r"(?P<day>\w+)#[1-5]")


@dataclass(frozen=True, slots=True)
class _Field:
    name: Sentence
    least: int
    most: int
    names: tuple[str, ...] = field(default=())

    def number(self, text: str) -> int:
        if text.lower() in self.names:
            return self.names.index(text.lower()) + self.least
        if not re.fullmatch(r"[0-9]{1,2}", text) or not self.least <= int(text) <= self.most:
            hint = did_you_mean(text, self.names) if self.names else ""
            raise ValueError(
                Sentence(
                    "mapping.cron.between", field=self.name, item=text, least=self.least, most=self.most, hint=hint
                )
            )
        return int(text)

    def values(self, text: str) -> set[int]:
        """Give the numbers a field stands for; a ValueError says what is wrong with it."""
        return {number for item in text.split(",") for number in self._item(item)}

    def _item(self, item: str) -> range:
        parts = _ITEM.fullmatch(item)
        if parts is None:
            raise ValueError(Sentence("mapping.cron.not_understood", field=self.name, item=item))
        first = self.least if parts["first"] == "*" else self.number(parts["first"])
        step = int(parts["step"] or 1)
        if step == 0 or (parts["first"] == "*" and parts["last"]):
            raise ValueError(Sentence("mapping.cron.not_understood", field=self.name, item=item))
        if parts["last"]:
            last = self.number(parts["last"])
        else:
            last = self.most if parts["first"] == "*" or parts["step"] else first
        if last < first:
            raise ValueError(
                Sentence(
                    "mapping.cron.backwards",
                    field=self.name,
                    item=item,
                    first=first,
                    most=self.most,
                    least=self.least,
                    last=last,
                )
            )
        return range(first, last + 1, step)


_MINUTE: Final = _Field(Sentence("mapping.cron.minute"), 0, 59)
_HOUR: Final = _Field(Sentence("mapping.cron.hour"), 0, 23)
_DAY: Final = _Field(Sentence("mapping.cron.day"), 1, 31)
_MONTH: Final = _Field(
    Sentence("mapping.cron.month"),
    1,
    12,
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
)
_WEEKDAY: Final = _Field(Sentence("mapping.cron.weekday"), 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat"))


def cron_problem(expression: str) -> Sentence | None:
    """Say what is wrong with a cron expression or preset; None when Airflow can run by it.

    A date that never comes (30 February) is wrong too: Airflow would look for it in vain.
    """
    text = expression.strip()
    if text.startswith("@"):
        if text in PRESETS:
            return None
        presets = ", ".join(PRESETS)
        return Sentence("mapping.cron.preset", text=text, presets=presets, hint=did_you_mean(text, PRESETS))
    parts = text.split()
    if len(parts) != 5:
        return Sentence("mapping.cron.fields", text=text, n=len(parts))
    minute, hour, day, month, weekday = parts
    try:
        _MINUTE.values(minute)
        _HOUR.values(hour)
        days = _DAY.values(day)
        months = _MONTH.values(month)
        every_weekday = _is_every_weekday(weekday)
    except ValueError as error:
        return Sentence("mapping.cron.wrong", text=text, said=error.args[0])
    # With weekdays given, cron runs on those days or on that date; so the date need not exist.
    if every_weekday and not any(number <= _LONGEST_MONTHS[each - 1] for each in months for number in days):
        return Sentence("mapping.cron.never", text=text)
    return None


def _is_every_weekday(text: str) -> bool:
    nth = _NTH_WEEKDAY.fullmatch(text)
    if nth:
        _WEEKDAY.number(nth["day"])
        return False
    return {number % 7 for number in _WEEKDAY.values(text)} == set(range(7))


# ---- Regular expressions of the mapping file, for an engine that needs a number of steps in proportion to the text.
#
# They are written, and mean what they mean, as in Python's ``re``; they are run by RE2, which never goes back in a
# text. So ``(a+)+`` cannot hold up a run, whatever stands in a person's record. What RE2 cannot do at all is refused
# when the file is loaded. Limits of RE2 as measured with pyarrow 26: 1,000 repetitions, also of groups in groups, and
# about 400 times ``\w``.

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


# ---- The SQL that a mapping file may hold: read, never run, and values only ever bound ----

_PIECES: Final = re.compile(
    r"""
      '(?:[^']|'')*'            # a text
    | "(?:[^"]|"")*"            # a quoted name
    | `[^`]*`
    | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$
    | --[^\n]*
    | /\*.*?\*/
    | ::                        # PostgreSQL's cast
    | (?P<since>:since\b)
    | (?P<end>;)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENTS: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_READS: Final = re.compile(r"[\s(]*(select|with|values|table)\b", re.IGNORECASE)
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
"""A name that needs no quotes in any database."""


def query_problem(query: str, *, since: bool) -> Sentence | None:
    """Say why this is no query that a source can run, None when it is one; ``since`` says whether it must use ``:since``."""
    if "${" in query or "{{" in query:
        return Sentence("mapping.sql.variables")
    if not _READS.match(_COMMENTS.sub(" ", query)):
        return Sentence("mapping.sql.not_a_select")
    found = list(_PIECES.finditer(query.rstrip().rstrip(";")))
    if any(piece["end"] for piece in found):
        return Sentence("mapping.sql.several")
    used = any(piece["since"] for piece in found)
    if since and not used:
        return Sentence("mapping.sql.without_since")
    if used and not since:
        return Sentence("mapping.sql.since")
    return None


def bound(query: str, mark: str) -> tuple[str, int]:
    """Give a query with the driver's own ``mark`` at every ``:since``, and how many there are.

    Where the mark holds a percent sign the other percent signs are doubled, as those drivers want it; a query without
    ``:since`` is given as it is, for nothing is bound to it then.
    """
    times = sum(piece["since"] is not None for piece in _PIECES.finditer(query))
    if not times:
        return query, 0
    if "%" in mark:
        query = query.replace("%", "%%")
    return _PIECES.sub(lambda piece: mark if piece["since"] else piece[0], query), times
