"""The columns of the persons frame, declared once: name, dtype, meaning and the headers that mean them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

# ---- The words of access: kinds of target, what a plan of access intends, and why; each once ----


class TargetKind(StrEnum):
    """What access is given to."""

    COHORT = "cohort"
    COURSE = "course"


class AccessAction(StrEnum):
    """What a plan of access intends for one person and one target."""

    GIVE = "give"
    EXTEND = "extend"
    """Enrolled by us already, with another window or suspension: written anew as a whole."""
    TAKE_BACK = "take_back"
    NONE = "none"
    REJECT = "reject"


ACCESS_WRITES: Final = frozenset({AccessAction.GIVE, AccessAction.EXTEND, AccessAction.TAKE_BACK})
ACCESS_GIVES: Final = frozenset({AccessAction.GIVE, AccessAction.EXTEND})


class AccessCode(StrEnum):
    """Why a row of a plan of access is as it is; its words are ``access.why.<code>`` of the catalogues."""

    WANTED = "wanted"
    TAKEN_BY_HAND = "taken_by_hand"
    WINDOW_CHANGED = "window_changed"
    NO_LONGER = "no_longer"
    LEFT = "left"
    WINDOW_ENDED = "window_ended"
    DOES_NOT_BELONG = "does_not_belong"
    GIVEN = "given"
    ALREADY_THERE = "already_there"
    NOT_BEGUN = "not_begun"
    GRACE = "grace"
    LEAVER_LATER = "leaver_later"
    LEAVER_KEEPS = "leaver_keeps"
    SOMEBODY_LEFT_OUT = "somebody_left_out"
    NEVER_TAKEN_BACK = "never_taken_back"
    GONE_ALREADY = "gone_already"
    PROTECTED = "protected"
    HELD = "held"
    ACCOUNT_UNKNOWN = "account_unknown"
    NO_ACCOUNT = "no_account"
    TARGET_MISSING = "target_missing"
    TARGET_ELSEWHERE = "target_elsewhere"
    TARGET_ASKED = "target_asked"
    """What was given stays while it is asked whether another name, by which the person belongs somewhere, stands for this."""
    TARGET_AMBIGUOUS = "target_ambiguous"
    NO_MANUAL_ENROLMENT = "no_manual_enrolment"
    ROLE_UNKNOWN = "role_unknown"
    ROLE_CHANGED = "role_changed"
    CONTRADICTS = "contradicts"
    STATE_UNKNOWN = "state_unknown"
    DATE_UNREAD = "date_unread"
    ENDS_BEFORE_START = "ends_before_start"
    PERSON_UNKNOWN = "person_unknown"
    PERSON_AMBIGUOUS = "person_ambiguous"
    TARGET_UNNAMED = "target_unnamed"
    NOT_LOOKED = "not_looked"
    OUT_OF_SCOPE = "out_of_scope"


WAITING: Final = frozenset(
    {
        AccessCode.NOT_BEGUN,
        AccessCode.GRACE,
        AccessCode.LEAVER_LATER,
        AccessCode.SOMEBODY_LEFT_OUT,
        AccessCode.HELD,
        AccessCode.NO_ACCOUNT,
        AccessCode.NOT_LOOKED,
    }
)
"""Why nothing is done now that a later run may do by itself: the day has not come, or the account is not clear yet."""


# ---- The columns of the persons frame ----


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the persons frame.

    ``headers`` are the Dutch and English headings under which a file may bring it, compared without case,
    spaces, dots, dashes and underscores; the column's own name always counts.
    """

    name: str
    dtype: str
    meaning: str
    headers: tuple[str, ...] = field(default=())


ROW: Final = "row"
"""Key of a person within one extract: the line number in a file, else 1, 2, 3 …; unique, never missing."""

PERSON_COLUMNS: Final[tuple[Column, ...]] = (
    Column(ROW, "int64", "Line in the source (1-based; the header is line 1), or the running number; unique."),
    Column("person_id", "str", "The source's own key of the person.", ("PersonId", "Persoon-ID", "Persoonsnummer", "id")),
    Column("extern_id", "str", "Key of the person in another system.", ("ExternId", "Extern ID", "Externe ID", "External ID", "ID number")),
    Column("extern_source", "str", "Which other system gave extern_id.", ("ExternSource", "Externe bron", "External source")),
    Column("initials", "str", "Initials, as written.", ("Voorletters", "Initialen")),
    Column("firstname", "str", "First name.", ("Voornaam", "First name", "Given name", "Roepnaam")),
    Column("infix", "str", "Name particles in front of the surname.", ("Tussenvoegsel", "Tussenvoegsels", "Voorvoegsel", "Voorvoegsels", "Particle", "Particles", "Prefix", "Name prefix")),
    Column("lastname", "str", "Surname without particles.", ("Achternaam", "Last name", "Surname", "Family name")),
    Column("email1", "str", "First e-mail address.", ("Email", "E-mail", "E-mail 1", "E-mailadres", "E-mailadres 1", "E-mail address", "E-mail address 1", "Mail")),
    Column("email2", "str", "Second e-mail address.", ("E-mail 2", "E-mailadres 2", "E-mail address 2")),
    Column("email3", "str", "Third e-mail address.", ("E-mail 3", "E-mailadres 3", "E-mail address 3")),
    Column("inactive", "bool", "True when the source says that the person has left.", ("Inactief", "Inactive", "Suspended")),
    Column("categories", "str", "Categories the person is in, separated by '|'.", ("Categorie", "Categorieën", "Categories", "Category", "Persoonscategorie", "Persoonscategorieën")),
    Column("city", "str", "Town.", ("Plaats", "Woonplaats", "Stad", "Town", "City")),
    Column("country", "str", "Country, ISO 3166-1 alpha-2.", ("Land", "Landcode", "Country", "Country code")),
    Column("lang", "str", "Language, Moodle's code.", ("Taal", "Language")),
    Column("institution", "str", "Organisation.", ("Instelling", "Organisatie", "Bedrijf", "Institution", "Organisation", "Organization", "Company")),
    Column("department", "str", "Department.", ("Afdeling", "Department")),
    Column("free1", "str", "First free field.", ("Vrij veld 1", "Vrijveld1", "Free field 1")),
    Column("free2", "str", "Second free field.", ("Vrij veld 2", "Vrijveld2", "Free field 2")),
    Column("free3", "str", "Third free field.", ("Vrij veld 3", "Vrijveld3", "Free field 3")),
    Column("free4", "str", "Fourth free field.", ("Vrij veld 4", "Vrijveld4", "Free field 4")),
    Column("free5", "str", "Fifth free field.", ("Vrij veld 5", "Vrijveld5", "Free field 5")),
)  # fmt: skip
"""Every source gives these; a text that is absent is '' (never NaN or None), ``inactive`` defaults to False.
Further columns may follow (more free fields, under the name the mapping gives them), all of dtype str."""

MOODLE_COLUMNS: Final = ("username", "auth", "timezone", "theme")
"""Headings of Moodle's own CSV upload that are none of ours: each is a free column of that name, as are all that begin with
``profile_field_``. Its ``idnumber`` is extern_id, and ``suspended`` is inactive."""

EMAIL_COLUMNS: Final = ("email1", "email2", "email3")

INACTIVE_UNREAD: Final = "inactive_unread"
"""Optional extra column: what stood in ``inactive`` when it was neither yes nor no, else ''."""

SOURCES_DIFFER: Final = "sources_differ"
"""Optional extra column where persons come from several sources: JSON {our column: what the sources say}, else ''."""

SOURCES_DISAGREE: Final = "sources_disagree"
"""Optional extra column where persons come from several sources: what each says of who this is, where that is not clear,
else ''."""

FINDINGS: Final = (INACTIVE_UNREAD, SOURCES_DIFFER, SOURCES_DISAGREE)
"""The optional columns of a persons frame that hold what was found about a person; they come last."""


TRUE_WORDS: Final = ("ja", "j", "true", "t", "yes", "y", "waar", "x")
FALSE_WORDS: Final = ("nee", "n", "false", "f", "no", "onwaar")
"""Words for yes and no, in any letter case: Dutch, English, and the letters of PostgreSQL's COPY."""

_NUMBER: Final = re.compile(r"(?:[+-]?0*(1)|[+-]?0+)(?:[.,]0*)?")
"""1 and 0 as numbers: Access writes -1 for yes, pandas 1.0 and 0.0."""

_WHITE: Final = "\t\n\r" + "".join(chr(code) for code in range(0x3001) if unicodedata.category(chr(code)) == "Zs")


def read_flag(text: str) -> bool | None:
    """Return whether a text says yes; empty is no, and None means that it says neither.

    White space and invisible characters (zero-width spaces, byte order marks, soft hyphens) count for nothing, as in all other
    columns. A control character does: a lone 0x01 may be a yes of some program, and is never read as an empty cell.
    """
    seen = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")
    word = seen.strip(_WHITE).casefold()
    if not word or word in FALSE_WORDS:
        return False
    if word in TRUE_WORDS:
        return True
    number = _NUMBER.fullmatch(word)
    return bool(number[1]) if number else None
