"""Who belongs in this Moodle, and the rules a person must pass: each declared once, over Arrow texts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from moodle_coupling.contract.columns import SOURCES_DIFFER, SOURCES_DISAGREE
from moodle_coupling.contract.fields import FIELDS, PROFILE_WIDTH, TAG, WIDTHS, Takes
from moodle_coupling.contract.frames import REASONS
from moodle_coupling.errors import MappingError
from moodle_coupling.mapping.checks import likeliest
from moodle_coupling.mapping.expressions import NoPattern, linear_pattern
from moodle_coupling.people.arrow import as_mask, is_blank, pa, pc, to_texts
from moodle_coupling.people.table import empty
from moodle_coupling.words.sentence import Sentence, in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from moodle_coupling.contract.fields import Field
    from moodle_coupling.mapping import Condition
    from moodle_coupling.people.arrow import Mask, Texts
    from moodle_coupling.people.table import Table


_ATOM: Final = r"[!#$%&'*+/=?^_`{|}~0-9A-Za-z-]+"
_LABEL: Final = r"(?:[xX][nN]--)?[0-9A-Za-z]+(?:-+[0-9A-Za-z]+)*"
_TOP: Final = r"(?:[A-Za-z][0-9A-Za-z]*|[xX][nN]--[0-9A-Za-z]+)(?:-+[0-9A-Za-z]+)*"
EMAIL: Final = rf"^{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_TOP}$"
"""PHP's FILTER_VALIDATE_EMAIL as Moodle's validate_email uses it, without quoted local parts (refused on the recorded
sites) and without addresses on a bare IP number."""
_TOO_LONG_PARTS: Final = r"^[^@]{65}|@.*[^.]{64}"


def is_email(texts: Texts) -> Mask:
    """Return which texts Moodle's ``validate_email`` takes ('' is none); its length in the database is another rule."""
    fits = pc.match_substring_regex(texts, EMAIL)
    long_parts = pc.greater(pc.binary_length(texts), 64)
    mask = as_mask(fits)
    if pc.any(long_parts).as_py():
        mask &= ~as_mask(pc.match_substring_regex(texts, _TOO_LONG_PARTS))
    return mask


def has_tags(texts: Texts) -> Mask:
    """Return which texts PHP's ``strip_tags`` would change (PARAM_NOTAGS and PARAM_TEXT); a lone ``<`` is no tag."""
    mask = as_mask(pc.match_substring(texts, "<"))
    if mask.any():
        mask &= as_mask(pc.match_substring_regex(texts, TAG))
    return mask


def does_not_fit(field: Field, texts: Texts) -> Mask:
    """Return which texts are filled in and are none that Moodle takes in this field, asking once per different text."""
    coded = pc.dictionary_encode(texts)
    unfit = pa.array([bool(value) and not field.fits(value) for value in coded.dictionary.to_pylist()], type=pa.bool_())
    return as_mask(unfit.take(coded.indices)) if len(texts) else np.zeros(0, dtype=bool)


def is_zero(texts: Texts) -> Mask:
    """Return which texts are PHP's falsy '0': an account with that idnumber cannot be looked up (recording 299)."""
    return as_mask(pc.equal(texts, "0"))


_WHOLE: Final = r"[+-]?(?:0|[1-9][0-9]*)"
_SPOILT_ID: Final = (
    "^(?:"
    + "|".join(
        (
            rf"{_WHOLE}[.,][0-9]+(?:[eE][+-]?[0-9]+)?",  # 123.0, 12.5, 1.23E+05, 1,23E+15; 0012.5 and 1.2.3 are ids
            r"[+-]?[0-9]{1,3}[eE](?:\+[0-9]+|-[0-9]{2,3})",  # 1E+05; 12E4 and 1E5A are ids
            r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].*)?",  # 12-10 that became a day
            r"(?i:true|false|waar|onwaar|null|none|nan|nat|<na>|nil|[+-]?inf(?:inity)?)",
            r"#+|#[A-Z/0]+[!?A]?",  # ########, #N/A, #REF!
        )
    )
    + ")$"
)
"""What spreadsheets, floats and programs make of an id, or write where there is none."""


def is_spoilt(texts: Texts) -> Mask:
    """Return which ids are not what stood in the source's own system: digits were lost, or a program's word came in their place."""
    return as_mask(pc.match_substring_regex(texts, _SPOILT_ID))


class Blocks(StrEnum):
    """What a reason stops."""

    ALL = "all"
    """The person: nothing is written."""
    CREATE = "create"
    """A new account; of an existing account only that field is left as it is."""
    NOTHING = ""
    """Nothing: the value is left out, or it is only said."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    ``field`` is Moodle's name of the field (``profile_field_*`` for any profile field). Its words are ``rule.<code>`` and
    ``rule.<code>.mend`` of the catalogues, which may hold ``{value}``, ``{field}``, ``{length}`` (characters found) and ``{limit}``
    (characters that Moodle holds, ``limit`` here); ``code.<code>`` says it in a few words. ``shown`` is how many characters of the
    value a sentence shows. ``likeliest`` gives what was probably meant by a value, or ''.
    """

    code: str
    field: str
    blocks: Blocks
    limit: int = 0
    shown: int = 60
    likeliest: Callable[[str], str] | None = None


def _text_rules() -> Iterator[Rule]:
    """Give the rules of the fields of free text that a mapping may name."""
    for field in FIELDS:
        if field.mapped and field.takes is Takes.TEXT:
            yield Rule(f"{field.name}_too_long", field.name, Blocks.NOTHING, limit=field.width)
            yield Rule(f"{field.name}_has_tags", field.name, Blocks.NOTHING)


RULES: Final[tuple[Rule, ...]] = (
    Rule("idnumber_missing", "idnumber", Blocks.ALL),
    Rule("idnumber_zero", "idnumber", Blocks.ALL),
    Rule("idnumber_too_long", "idnumber", Blocks.ALL, limit=WIDTHS["idnumber"]),
    Rule("idnumber_spoilt", "idnumber", Blocks.ALL),
    Rule("other_id_spoilt", "", Blocks.NOTHING),
    Rule("inactive_unclear", "inactive", Blocks.ALL),
    Rule("sources_disagree", "", Blocks.ALL, shown=1000),
    Rule("firstname_missing", "firstname", Blocks.CREATE),
    Rule("firstname_too_long", "firstname", Blocks.CREATE, limit=WIDTHS["firstname"]),
    Rule("firstname_has_tags", "firstname", Blocks.CREATE),
    Rule("lastname_missing", "lastname", Blocks.CREATE),
    Rule("lastname_too_long", "lastname", Blocks.CREATE, limit=WIDTHS["lastname"]),
    Rule("lastname_has_tags", "lastname", Blocks.CREATE),
    Rule("email_missing", "email", Blocks.CREATE),
    Rule("email_invalid", "email", Blocks.CREATE),
    Rule("email_too_long", "email", Blocks.CREATE, limit=WIDTHS["email"]),
    Rule("email_skipped", "email", Blocks.NOTHING),
    Rule("initials_missing", "username", Blocks.CREATE),
    Rule("extern_id_missing", "username", Blocks.CREATE),
    Rule("username_empty", "username", Blocks.CREATE),
    Rule("auth_malformed", "auth", Blocks.CREATE),
    Rule("country_unknown", "country", Blocks.NOTHING, likeliest=likeliest),
    Rule("value_unmatched", "*", Blocks.NOTHING),
    Rule("lang_malformed", "lang", Blocks.NOTHING),
    Rule("timezone_unknown", "timezone", Blocks.NOTHING),
    Rule("theme_malformed", "theme", Blocks.NOTHING),
    *_text_rules(),
    Rule("profile_field_too_long", "profile_field_*", Blocks.NOTHING, limit=PROFILE_WIDTH),
    Rule("profile_field_no_flag", "profile_field_*", Blocks.NOTHING),
    Rule("profile_field_no_option", "profile_field_*", Blocks.NOTHING),
    Rule("profile_field_no_date", "profile_field_*", Blocks.NOTHING),
    Rule("profile_field_year", "profile_field_*", Blocks.NOTHING),
    Rule("text_damaged", "*", Blocks.NOTHING),
    Rule("sources_differ", "*", Blocks.NOTHING, shown=240),
)
"""All rules, in the order in which a person's reasons are listed. What is known of Moodle is from its recordings
(4.5 and 5.1): create_email_invalid_*, create_html_firstname, create_lt_firstname, create_country_*, create_lang_*,
by_field_idnumber_zero, create_customfield_70000 and others."""

RULE_BY_CODE: Final = {rule.code: rule for rule in RULES}


def holds(condition: Condition, texts: Texts, where: str) -> Mask:
    """Return for which (cleaned) texts the condition holds. Texts are compared exactly, letter case included.

    ``where`` names the condition in errors, such as ``scope.include[0]``.

    Raises:
        MappingError: ``matches`` is no regular expression that can be used.

    """
    test = _test(condition)
    coded = pc.dictionary_encode(texts)
    verdicts = as_mask(pa.array([test(value) for value in coded.dictionary.to_pylist()], type=pa.bool_()))
    if condition.matches is not None:
        verdicts = verdicts & _matching(condition.matches, coded.dictionary, where)
    return verdicts[coded.indices.to_numpy()] if len(texts) else np.zeros(0, dtype=bool)


def _test(condition: Condition) -> Callable[[str], bool]:
    """Return the test of one text but for ``matches``; a condition that says several things asks for all of them."""
    tests: list[Callable[[str], bool]] = []
    if condition.equals is not None:
        tests.append(lambda value, wanted=condition.equals: value == wanted)  # type: ignore[misc]
    if condition.not_equals is not None:
        tests.append(lambda value, unwanted=condition.not_equals: value != unwanted)  # type: ignore[misc]
    if condition.any_of is not None:
        tests.append(lambda value, wanted=frozenset(condition.any_of): bool(wanted & _parts(value)))  # type: ignore[misc]
    if condition.none_of is not None:
        tests.append(lambda value, unwanted=frozenset(condition.none_of): not unwanted & _parts(value))  # type: ignore[misc]
    if condition.not_empty is not None:
        tests.append(lambda value, wanted=condition.not_empty: bool(value) is wanted)  # type: ignore[misc]
    return lambda value: all(test(value) for test in tests)


def _parts(value: str) -> set[str]:
    return {value, *(part.strip() for part in value.split("|"))}


def _matching(pattern: str, texts: Texts, where: str) -> Mask:
    """Return which texts the whole of an expression matches, in steps that grow with the texts and no faster (RE2)."""
    try:
        return as_mask(pc.match_substring_regex(texts, linear_pattern(pattern)))
    except (NoPattern, pa.ArrowInvalid) as error:
        why = error.args[0] if isinstance(error, NoPattern) else str(error)
        raise MappingError(Sentence("people.no_pattern", where=where, pattern=pattern, why=why)) from None


# ---- Collecting what is wrong with persons into the reasons frame ----

KEPT: Final = 300
"""Characters of a value that the frame keeps, or as many as the rule's sentence shows."""


class Reasons:
    """Findings about persons, gathered rule by rule.

    ``rows`` are the persons' keys, in the frame's order; only of the persons of ``keep`` anything is noted.
    """

    def __init__(self, rows: NDArray[np.int64], keep: Mask) -> None:
        self._rows = rows
        self._keep = keep
        self._chunks: list[pd.DataFrame] = []
        self._places: list[NDArray[np.intp]] = []

    def add(  # each is a fact of its own
        self,
        code: str,
        mask: Mask,
        values: Texts | None = None,
        field: str = "",
        *,
        blocks: Blocks | None = None,
        likeliest: Callable[[str], str] | None = None,
    ) -> None:
        """Note rule ``code`` for the persons of ``mask``; ``values`` are all persons' texts, '' when not given.

        ``blocks`` is what it stops in this field, where that is more than the rule says; ``likeliest`` gives what was probably
        meant by a value, where only this field tells.
        """
        found = np.flatnonzero(mask & self._keep)
        if not len(found):
            return
        rule = RULE_BY_CODE[code]
        field = field or rule.field
        texts = values.take(pa.array(found)).to_pylist() if values is not None else [""] * len(found)
        guess = likeliest or rule.likeliest
        said = {text: sentence_of(code, field, text, guess(text) if guess else "").written() for text in set(texts)}
        longest = max(KEPT, rule.shown)
        self._places.append(found)
        self._chunks.append(
            pd.DataFrame(
                {
                    "row": self._rows[found],
                    "code": pd.Series(code, index=range(len(found)), dtype="str"),
                    "field": pd.Series(field, index=range(len(found)), dtype="str"),
                    "value": pd.Series([_cut(text, longest) for text in texts], dtype="str"),
                    "said": pd.Series([said[text] for text in texts], dtype="str"),
                    "blocks": pd.Series((blocks or rule.blocks).value, index=range(len(found)), dtype="str"),
                }
            )
        )

    def frame(self) -> pd.DataFrame:
        """Return the reasons frame, by person in the persons' order and then in the order of the rules."""
        if not self._chunks:
            return empty(REASONS)
        frame = pd.concat(self._chunks, ignore_index=True)
        order = {rule.code: number for number, rule in enumerate(RULES)}
        ranks = [np.full(len(chunk), order[chunk["code"].iloc[0]]) for chunk in self._chunks]
        keys = np.lexsort((np.concatenate(ranks), np.concatenate(self._places)))
        return frame.iloc[keys].reset_index(drop=True)[list(REASONS.names)]


def sentence_of(code: str, field: str, text: str, likely: str = "") -> Sentence:
    """Give what rule ``code`` says of a text in a field, and how to mend it; ``likely`` is what was probably meant."""
    rule = RULE_BY_CODE[code]
    filled: dict[str, str | int] = {"value": _cut(text, rule.shown), "field": field}
    if rule.limit:
        filled |= {"length": len(text), "limit": rule.limit}
    said = [Sentence(f"rule.{code}", **filled), Sentence(f"rule.{code}.mend", **filled)]
    return in_turn([*said, Sentence("rule.likely", likely=likely)] if likely else said)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def note_sources(table: Table, reasons: Reasons) -> None:
    """Note who the sources do not agree on, and each field on which they differ."""
    if table.has(SOURCES_DISAGREE):
        said = table.texts(SOURCES_DISAGREE)
        reasons.add("sources_disagree", ~is_blank(said), said)
    if not table.has(SOURCES_DIFFER):
        return
    by_field: dict[str, dict[int, str]] = {}
    texts = table.texts(SOURCES_DIFFER)
    for place in np.flatnonzero(~is_blank(texts)):
        for field, said in json.loads(texts[int(place)].as_py()).items():
            by_field.setdefault(field, {})[int(place)] = said
    for field, found in by_field.items():
        mask = np.zeros(len(table), dtype=bool)
        mask[list(found)] = True
        values = [found.get(place, "") for place in range(len(table))]
        reasons.add("sources_differ", mask, to_texts(values), field)
