"""What a mapping file says against what Moodle takes and against itself; plain values in, sentences out."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.contract.columns import MOODLE_COLUMNS, PERSON_COLUMNS
from moodle_coupling.contract.fields import (
    COUNTRIES,
    FIELD_BY_NAME,
    LANGUAGE,
    NEEDS_PASSWORD,
    PLUGIN,
    PROFILE_PREFIX,
    PROFILE_WIDTH,
    Takes,
    is_time_zone,
)
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


# ---- Countries as people write them: names in the languages of Europe and codes of three letters become Moodle's two
# letters.

_LANGUAGES: Final = "nl en de fr es it pt pl tr da sv nb fi cs hu ro el ar uk ru fy"
LANGUAGES: Final = _LANGUAGES.split()
"""Whose names of countries are read; from Babel (Unicode CLDR)."""
_LONGEST: Final = 80
"""Letters of a country's name; what is longer is like none."""
_ARTICLES: Final = frozenset({"the", "de", "het", "die", "der", "la", "le", "les"})
_UNCLEAR: Final = {"uk": "GB"}
"""What is often meant otherwise than it is written; only suggested."""


def to_code(text: str) -> str:
    """Give the code (ISO 3166-1 alpha-2) of the one country that a text names, else the text.

    It names one by its name, a code of three letters, or two letters of any case.
    """
    if text in COUNTRIES:
        return text
    if len(text) == 2:
        return text.upper() if text.isascii() and text.upper() in COUNTRIES else text
    return _codes().get(_plain(text)) or text


def likeliest(text: str) -> str:
    """Give the code of the country whose name or code looks most like a text, '' when none is near."""
    import difflib

    known, plain = _codes(), _plain(text)
    if plain.upper() in COUNTRIES:
        return plain.upper()
    if plain in known or not 4 <= len(plain) <= _LONGEST:
        return known.get(plain) or _UNCLEAR.get(plain, "")
    close = difflib.get_close_matches(plain, known, n=1, cutoff=0.85)
    return known[close[0]] if close else ""


def _plain(text: str) -> str:
    """Give a name without case, diacritics, dots and the article in front: how names are compared."""
    spelled = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(sign for sign in spelled if not unicodedata.combining(sign) and sign not in ".'’")
    words = bare.replace("-", " ").replace("&", " ").split()
    return " ".join(words[1:] if len(words) > 1 and words[0] in _ARTICLES else words)


@cache
def _codes() -> dict[str, str]:
    """Give the code of each name, whatever the language; '' where it means several countries."""
    from babel import Locale
    from babel.core import get_global

    meant: dict[str, set[str]] = {}
    for language in LANGUAGES:
        for code, name in Locale.parse(language).territories.items():
            if code in COUNTRIES:
                meant.setdefault(_plain(str(name)), set()).add(code)
    for alias, codes in get_global("territory_aliases").items():
        if len(alias) == 3 and alias.isalpha() and len(codes) == 1 and codes[0] in COUNTRIES:
            meant.setdefault(alias.casefold(), set()).update(codes)
    return {name: codes.pop() if len(codes) == 1 else "" for name, codes in meant.items()}


# ---- What a mapping file says against what Moodle takes and against itself ----

Location = tuple[str | int, ...]
"""Where in the file: the keys and list positions that lead there."""

TEXT_COLUMNS: Final = tuple(column.name for column in PERSON_COLUMNS if column.dtype == "str")
"""Columns every source gives that a field or a condition can use."""

COACHVIEW_COLUMNS: Final = frozenset(
    [
        "person_id",
        "extern_id",
        "extern_source",
        "initials",
        "firstname",
        "infix",
        "lastname",
        "email1",
        "email2",
        "email3",
        "inactive",
        "city",
        "country",
    ]
)
"""Columns that Coachview brings by itself; others need a key or the code of a free field in ``source.columns``."""

_SET_ELSEWHERE: Final = {
    field: Sentence(f"mapping.elsewhere.{field}")
    for field in ("username", "idnumber", "email", "firstname", "lastname", "suspended", "password")
}


def did_you_mean(word: str, choices: Iterable[str], cutoff: float = 0.6) -> Sentence | str:
    """Give "; did you mean '…'?" when one of the choices looks like the word, else ''.

    ``cutoff`` is how much alike they must be, from 0 to 1 (difflib's ratio).
    """
    import difflib

    by_lower = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    return Sentence("mapping.hint", word=by_lower[close[0]]) if close else ""


def set_elsewhere(field: str) -> Sentence | None:
    """Say where a Moodle field that 'fields' does not take is set, None when nowhere."""
    return _SET_ELSEWHERE.get(field)


def time_zone_problem(name: str) -> Sentence | None:
    """Say why this is no time zone, None when it is one."""
    if is_time_zone(name):
        return None
    import zoneinfo

    hint = did_you_mean(name, zoneinfo.available_timezones())
    return Sentence("mapping.constant.time_zone", name=name, hint=hint)


def constant_problem(field: str, value: str) -> Sentence | None:
    """Say why Moodle would refuse or spoil this text in this field of every person, None when it takes it."""
    known = FIELD_BY_NAME.get(field)
    empty_text = known is not None and known.takes is Takes.TEXT and not value
    if known is None or empty_text or (value and known.fits(value)):
        return None
    if value and known.is_of_its_kind(value):
        return Sentence("mapping.constant.too_long", n=len(value), most=known.width)
    return _PROBLEMS[known.takes](value)


def _plugin_problem(value: str) -> Sentence:
    return Sentence("mapping.constant.plugin", value=value, hint=_lower_case_hint(value, PLUGIN))


def _language_problem(value: str) -> Sentence:
    hint = _lower_case_hint(value.replace("-", "_"), LANGUAGE)
    return Sentence("mapping.constant.language", value=value, hint=hint)


def _country_problem(value: str) -> Sentence:
    likely = likeliest(value)
    hint = Sentence("mapping.hint", word=likely) if likely else ""
    return Sentence("mapping.constant.country", value=value, hint=hint)


def _tag_problem(value: str) -> Sentence:
    return Sentence("mapping.constant.tag", value=value)


def _lower_case_hint(value: str, pattern: re.Pattern[str]) -> Sentence | str:
    lower = value.strip().lower()
    return Sentence("mapping.hint", word=lower) if pattern.fullmatch(lower) else ""


_PROBLEMS: Final[dict[Takes, Callable[[str], Sentence | None]]] = {
    Takes.TEXT: _tag_problem,
    Takes.COUNTRY: _country_problem,
    Takes.LANGUAGE: _language_problem,
    Takes.TIME_ZONE: time_zone_problem,
    Takes.PLUGIN: _plugin_problem,
}


def problems(data: Any) -> Iterator[tuple[Location, Sentence]]:
    """Give what does not hold between the parts of a mapping, with where it stands.

    ``data`` is the mapping as plain dicts and lists and need not be valid otherwise, so that all errors of a file can be
    told at once; what is not there or is of another kind is passed over.
    """
    extra = _extra_columns(data)
    yield from _column_problems(data, extra)
    yield from _constant_problems(data)
    used = {name for _, name in _used_columns(data)}
    yield from _without_problems(data)
    for where, source in _sources(data):
        yield from _unused_columns((*where, "columns"), [name for name in extra if name in _columns(source)], used)
    yield from _coachview_problems(data)
    auth = _at(data, "fields", "auth", "value")
    if _at(data, "password") == "none" and auth in NEEDS_PASSWORD:
        yield ("password",), Sentence("mapping.password.needed", auth=auth)


def _without_problems(data: Any) -> Iterator[tuple[Location, Sentence]]:
    """Give the columns that no source has, as the mapping says itself, and that it uses all the same."""
    without = [_texts(_at(source, "without")) for _, source in _sources(data)]
    nowhere = set.intersection(*map(set, without)) if without else set()
    for where, name in _used_columns(data):
        if name in nowhere:
            yield where, Sentence("mapping.column.without", column=name)


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _coachview_problems(data: Any) -> Iterator[tuple[Location, Sentence]]:
    """Give the columns that are used and that no source brings, where all of them are Coachview."""
    sources = [source for _, source in _sources(data)]
    if not all(_at(source, "type") == "coachview" for source in sources):
        return
    brought = {name for source in sources for name in _columns(source)} | COACHVIEW_COLUMNS
    if any(_at(source, "categories") for source in sources):
        brought.add("categories")
    for where, name in _used_columns(data):
        if name == "categories" and name not in brought:
            yield where, Sentence("mapping.column.coachview_categories")
        elif name in TEXT_COLUMNS and name not in brought:
            yield where, Sentence("mapping.column.coachview_key", column=name)


def _at(data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _items(data: Any) -> Iterable[tuple[str, Any]]:
    return data.items() if isinstance(data, dict) else ()


def _sources(data: Any) -> Iterator[tuple[Location, Any]]:
    source = _at(data, "source")
    if isinstance(source, list):
        yield from ((("source", position), each) for position, each in enumerate(source))
    else:
        yield ("source",), source


def _extra_columns(data: Any) -> list[str]:
    known = {column.name for column in PERSON_COLUMNS}
    named = (name for _, source in _sources(data) for name in _columns(source))
    return list(dict.fromkeys(name for name in named if name not in known))


def _used_columns(data: Any) -> Iterator[tuple[Location, str]]:
    named: list[tuple[Location, Any]] = [
        ((section, name, "column"), _at(value, "column"))
        for section in ("fields", "profile_fields")
        for name, value in _items(_at(data, section))
    ]
    conditions = _at(data, "scope", "include")
    for position, condition in enumerate(conditions if isinstance(conditions, list | tuple) else ()):
        named.append((("scope", "include", position, "column"), _at(condition, "column")))
    named += _access_columns(data)
    yield from ((where, column) for where, column in named if isinstance(column, str))


def _access_columns(data: Any) -> Iterator[tuple[Location, Any]]:
    rules = _at(data, "access", "rules")
    for position, rule in enumerate(rules if isinstance(rules, list | tuple) else ()):
        here: Location = ("access", "rules", position)
        for kind in ("cohort", "course"):
            yield (*here, kind, "column"), _at(rule, kind, "column")
        for bound, column in _items(_at(rule, "window")):
            yield (*here, "window", bound), column
        conditions = _at(rule, "when")
        for at, condition in enumerate(conditions if isinstance(conditions, list | tuple) else ()):
            yield (*here, "when", at, "column"), _at(condition, "column")


def _column_problems(data: Any, extra: list[str]) -> Iterator[tuple[Location, Sentence]]:
    known = [*TEXT_COLUMNS, *extra]
    by_upload = any(_at(source, "type") != "coachview" for _, source in _sources(data))
    for where, name in _used_columns(data):
        if name in known or (by_upload and (name in MOODLE_COLUMNS or name.startswith(PROFILE_PREFIX))):
            continue
        if name == "inactive":
            hint: Sentence | str = Sentence("mapping.column.absent.inactive")
        else:
            hint = did_you_mean(name, known) or Sentence("mapping.hint.there_are", there=", ".join(known))
        yield where, Sentence("mapping.column.absent", column=name, hint=hint)


_UNCLEAN: Final = Sentence("mapping.constant.unclean")


def is_clean(value: str) -> bool:
    """Tell whether a text has nothing in it that is taken out of a person's values, or stands for a spoilt letter."""
    return not any(
        (unicodedata.category(sign) in ("Cc", "Cs") and sign not in "\n\r\t") or sign == "\ufffd" for sign in value
    )


def _constant_problems(data: Any) -> Iterator[tuple[Location, Sentence]]:
    for name, field in _items(_at(data, "fields")):
        for key, value in _constants(field):
            # An empty default is none; an empty value clears the field, which only free texts may be.
            if (value or key == ("value",)) and (problem := constant_problem(name, value)):
                yield ("fields", name, *key), problem
            if not is_clean(value):
                yield ("fields", name, *key), _UNCLEAN
    for name, field in _items(_at(data, "profile_fields")):
        for key, value in _constants(field):
            if not is_clean(value):
                yield ("profile_fields", name, *key), _UNCLEAN
            if len(value) > PROFILE_WIDTH:
                yield (
                    ("profile_fields", name, *key),
                    Sentence("mapping.constant.cut", n=len(value), most=PROFILE_WIDTH),
                )


def _constants(field: Any) -> Iterator[tuple[Location, str]]:
    """Give the texts of a field that its mapping file itself writes, each with its key."""
    said: list[tuple[Location, Any]] = [((key,), _at(field, key)) for key in ("value", "default")]
    said += [(("value_map", name), value) for name, value in _items(_at(field, "value_map"))]
    yield from ((key, value) for key, value in said if isinstance(value, str))


def _columns(source: Any) -> list[str]:
    return [name for name, _ in _items(_at(source, "columns"))]


def _unused_columns(where: Location, extra: list[str], used: set[str]) -> Iterator[tuple[Location, Sentence]]:
    for name in extra:
        if name in used or re.fullmatch(r"free[0-9]+", name):
            continue
        if name in _SET_ELSEWHERE:
            yield (*where, name), Sentence("mapping.column.set_elsewhere", column=name, where=_SET_ELSEWHERE[name])
        elif hint := did_you_mean(name, TEXT_COLUMNS, cutoff=0.8):
            yield (*where, name), Sentence("mapping.column.unused", column=name, hint=hint)
