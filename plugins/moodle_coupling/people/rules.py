"""The rules a person must pass, each declared once: code, field and what it stops; words/locale says it in words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from moodle_coupling.contract.fields import FIELDS, PROFILE_WIDTH, WIDTHS, Takes
from moodle_coupling.mapping.countries import likeliest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
