"""The columns of the persons frame, declared once: name, dtype, meaning and the headers that mean them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Final


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
