"""The rules a person must pass, each declared once: code, field, what it stops, messages and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from moodle_coupling.contract.fields import FIELD_BY_NAME, FIELDS, PROFILE_WIDTH, Takes
from moodle_coupling.people.countries import likeliest

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

    ``field`` is Moodle's name of the field (``profile_field_*`` for any profile field). The texts may hold ``{value}``,
    ``{field}``, ``{length}`` (characters found) and ``{limit}`` (characters that Moodle holds, ``limit`` here). ``shown``
    is how many characters of the value a message shows. ``likeliest`` gives what was probably meant by a value, or ''.
    """

    code: str
    field: str
    blocks: Blocks
    message: str
    message_nl: str
    mend: str
    mend_nl: str
    limit: int = 0
    shown: int = 60
    likeliest: Callable[[str], str] | None = None


def _missing(field: str, blocks: Blocks, why: str, why_nl: str) -> Rule:
    known = FIELD_BY_NAME[field]
    return Rule(
        f"{field}_missing",
        field,
        blocks,
        f"The {known.english.noun} is missing; {why}.",
        f"{_capital(known.dutch.noun)} ontbreekt; {why_nl}.",
        "Fill it in at the source.",
        "Vul dit in de bron in.",
    )


def _too_long(field: str, blocks: Blocks) -> Rule:
    known = FIELD_BY_NAME[field]
    left_out = " The value is left out." if blocks is Blocks.NOTHING else ""
    left_out_nl = " De waarde wordt weggelaten." if blocks is Blocks.NOTHING else ""
    return Rule(
        f"{field}_too_long",
        field,
        blocks,
        f"The {known.english.noun} has {{length}} characters and Moodle holds {{limit}}.{left_out}",
        f"{_capital(known.dutch.noun)} heeft {{length}} tekens en Moodle bewaart er {{limit}}.{left_out_nl}",
        "Shorten it at the source.",
        "Kort de waarde in de bron in.",
        known.width,
    )


def _has_tags(field: str, blocks: Blocks) -> Rule:
    known = FIELD_BY_NAME[field]
    left_out = " The value is left out." if blocks is Blocks.NOTHING else ""
    left_out_nl = " De waarde wordt weggelaten." if blocks is Blocks.NOTHING else ""
    return Rule(
        f"{field}_has_tags",
        field,
        blocks,
        f"The {known.english.noun} '{{value}}' holds '<' as at the start of an HTML tag, which Moodle refuses.{left_out}",
        f"{_capital(known.dutch.noun)} '{{value}}' bevat '<' als begin van een HTML-tag; dat weigert Moodle.{left_out_nl}",
        "Take the tag out at the source ('<' followed by a space is allowed).",
        "Haal de tag weg in de bron ('<' gevolgd door een spatie mag wel).",
    )


def _text_rules() -> Iterator[Rule]:
    """Give the rules of the fields of free text that a mapping may name."""
    for field in FIELDS:
        if field.mapped and field.takes is Takes.TEXT:
            yield _too_long(field.name, Blocks.NOTHING)
            yield _has_tags(field.name, Blocks.NOTHING)


def _capital(noun: str) -> str:
    return noun[:1].upper() + noun[1:]


def _left_out(
    code: str,
    field: str,
    what: str,
    what_nl: str,
    mend: str,
    mend_nl: str,
    likely: Callable[[str], str] | None = None,
) -> Rule:
    return Rule(
        code,
        field,
        Blocks.NOTHING,
        f"{what} The value is left out.",
        f"{what_nl} De waarde wordt weggelaten.",
        mend,
        mend_nl,
        likeliest=likely,
    )


RULES: Final[tuple[Rule, ...]] = (
    _missing(
        "idnumber",
        Blocks.ALL,
        "without one the person cannot be told from others in Moodle",
        "zonder is de persoon in Moodle niet van anderen te onderscheiden",
    ),
    Rule(
        "idnumber_zero",
        "idnumber",
        Blocks.ALL,
        "The ID number is '0', and an account with that number cannot be looked up in Moodle.",
        "Het ID-nummer is '0' en een account met dat nummer is in Moodle niet op te zoeken.",
        "Give the person another id at the source.",
        "Geef de persoon in de bron een ander id.",
    ),
    _too_long("idnumber", Blocks.ALL),
    Rule(
        "idnumber_spoilt",
        "idnumber",
        Blocks.ALL,
        "'{value}' is not the ID number as it was issued: a spreadsheet, a number column or another encoding has changed it.",
        "'{value}' is niet het ID-nummer zoals het is uitgegeven: een spreadsheet, een getalkolom of een andere codering heeft het "
        "veranderd.",
        "Export the column as text.",
        "Exporteer de kolom als tekst.",
    ),
    Rule(
        "other_id_spoilt",
        "",
        Blocks.NOTHING,
        "The person's other id, '{value}', is not as it was issued: a spreadsheet or a number column has changed it. It is not used.",
        "Het andere id van de persoon, '{value}', is niet zoals het is uitgegeven: een spreadsheet of een getalkolom heeft het "
        "veranderd. Het wordt niet gebruikt.",
        "Export the column as text.",
        "Exporteer de kolom als tekst.",
    ),
    Rule(
        "inactive_unclear",
        "inactive",
        Blocks.ALL,
        "It is not clear whether the person has left: '{value}' is neither yes nor no.",
        "Het is niet duidelijk of de persoon vertrokken is: '{value}' is geen ja of nee.",
        "Write ja/nee, yes/no, true/false, waar/onwaar, t/f, 1/0, x or nothing in that column.",
        "Zet ja/nee, yes/no, true/false, waar/onwaar, t/f, 1/0, x of niets in die kolom.",
    ),
    Rule(
        "sources_disagree",
        "",
        Blocks.ALL,
        "The sources do not agree on who this is: {value}.",
        "De bronnen zijn het niet eens over wie dit is: {value}.",
        "Two persons share an id there: correct the id in one of the sources.",
        "Twee personen delen daar een id: verbeter het id in een van de bronnen.",
        shown=1000,
    ),
    _missing(
        "firstname",
        Blocks.CREATE,
        "Moodle makes no account without one",
        "zonder maakt Moodle geen account",
    ),
    _too_long("firstname", Blocks.CREATE),
    _has_tags("firstname", Blocks.CREATE),
    _missing("lastname", Blocks.CREATE, "Moodle makes no account without one", "zonder maakt Moodle geen account"),
    _too_long("lastname", Blocks.CREATE),
    _has_tags("lastname", Blocks.CREATE),
    _missing("email", Blocks.CREATE, "Moodle makes no account without one", "zonder maakt Moodle geen account"),
    Rule(
        "email_invalid",
        "email",
        Blocks.CREATE,
        "'{value}' is no e-mail address that Moodle accepts.",
        "'{value}' is geen e-mailadres dat Moodle accepteert.",
        "Correct it at the source: one address like name@example.org, plain letters, no spaces.",
        "Verbeter het in de bron: één adres zoals naam@example.org, gewone letters, geen spaties.",
    ),
    _too_long("email", Blocks.CREATE),
    Rule(
        "email_skipped",
        "email",
        Blocks.NOTHING,
        "'{value}' is no e-mail address that Moodle accepts, so the person's next address is used.",
        "'{value}' is geen e-mailadres dat Moodle accepteert; het volgende adres van de persoon wordt gebruikt.",
        "Correct it at the source.",
        "Verbeter het in de bron.",
    ),
    Rule(
        "initials_missing",
        "username",
        Blocks.CREATE,
        "The username recipe initials_infix_last needs initials, and this person has none.",
        "Het gebruikersnaamrecept initials_infix_last heeft voorletters nodig en deze persoon heeft ze niet.",
        "Fill them in at the source, or choose another recipe in the mapping file.",
        "Vul ze in de bron in, of kies een ander recept in het mappingbestand.",
    ),
    Rule(
        "extern_id_missing",
        "username",
        Blocks.CREATE,
        "The username recipe extern_id needs an ExternId, and this person has none.",
        "Het gebruikersnaamrecept extern_id heeft een ExternId nodig en deze persoon heeft er geen.",
        "Fill it in at the source, or choose another recipe in the mapping file.",
        "Vul het in de bron in, of kies een ander recept in het mappingbestand.",
    ),
    Rule(
        "username_empty",
        "username",
        Blocks.CREATE,
        "Nothing is left of '{value}' that can be a username: Moodle allows a-z, 0-9, '.', '_', '-' and '@'.",
        "Van '{value}' blijft niets over dat een gebruikersnaam kan zijn: Moodle staat a-z, 0-9, '.', '_', '-' en '@' toe.",
        "Correct the value at the source, or add transliterations or another recipe to the mapping file.",
        "Verbeter de waarde in de bron, of zet transliteraties of een ander recept in het mappingbestand.",
    ),
    Rule(
        "auth_malformed",
        "auth",
        Blocks.CREATE,
        "'{value}' cannot be the name of an authentication plugin, and Moodle refuses it.",
        "'{value}' kan geen naam van een authenticatieplugin zijn; Moodle weigert die.",
        "Use the plugin's short name, such as manual, oidc or ldap.",
        "Gebruik de korte naam van de plugin, zoals manual, oidc of ldap.",
    ),
    _left_out(
        "country_unknown",
        "country",
        "'{value}' is no country, by code or by name; Moodle would store 0.",
        "'{value}' is geen land, als code of als naam; Moodle zou 0 opslaan.",
        "Use the two capital letters of ISO 3166, such as NL, or name the value in value_map.",
        "Gebruik de twee hoofdletters van ISO 3166, zoals NL, of zet de waarde in value_map.",
        likeliest,
    ),
    _left_out(
        "value_unmatched",
        "*",
        "'{value}' for {field} stands in no row of the field's value_map.",
        "'{value}' voor {field} staat in geen regel van de value_map van het veld.",
        "Correct it at the source, or name it in value_map.",
        "Verbeter het in de bron, of zet het in value_map.",
    ),
    _left_out(
        "lang_malformed",
        "lang",
        "'{value}' cannot be a language code of Moodle, which would refuse it.",
        "'{value}' kan geen taalcode van Moodle zijn; die zou worden geweigerd.",
        "Use Moodle's code in lower case, such as nl or en_us.",
        "Gebruik Moodles code in kleine letters, zoals nl of en_us.",
    ),
    _left_out(
        "timezone_unknown",
        "timezone",
        "'{value}' is no time zone; Moodle would store it and show wrong times.",
        "'{value}' is geen tijdzone; Moodle zou die opslaan en verkeerde tijden tonen.",
        "Use a name such as Europe/Amsterdam, or 99 for the site's own.",
        "Gebruik een naam zoals Europe/Amsterdam, of 99 voor die van de site.",
    ),
    _left_out(
        "theme_malformed",
        "theme",
        "'{value}' cannot be the name of a theme, and Moodle would refuse it.",
        "'{value}' kan geen naam van een thema zijn; Moodle zou die weigeren.",
        "Use the theme's short name, such as boost.",
        "Gebruik de korte naam van het thema, zoals boost.",
    ),
    *_text_rules(),
    Rule(
        "profile_field_too_long",
        "profile_field_*",
        Blocks.NOTHING,
        "The value for {field} has {length} characters and Moodle keeps {limit}. The value is left out.",
        "De waarde voor {field} heeft {length} tekens en Moodle bewaart er {limit}. De waarde wordt weggelaten.",
        "Shorten it at the source.",
        "Kort de waarde in de bron in.",
        PROFILE_WIDTH,
    ),
    Rule(
        "profile_field_no_flag",
        "profile_field_*",
        Blocks.NOTHING,
        "'{value}' for {field} is neither yes nor no, and Moodle would tick it. The value is left out.",
        "'{value}' voor {field} is geen ja of nee, en Moodle zou een vinkje zetten. De waarde wordt weggelaten.",
        "Write ja/nee, yes/no, true/false, 1/0, x or nothing in that column.",
        "Zet ja/nee, yes/no, true/false, 1/0, x of niets in die kolom.",
    ),
    Rule(
        "profile_field_no_option",
        "profile_field_*",
        Blocks.NOTHING,
        "'{value}' is no option of {field} that is known, and Moodle would empty the field for one that it does not have. The value "
        "is left out.",
        "'{value}' is geen bekende keuze van {field}, en bij een onbekende keuze maakt Moodle het veld leeg. De waarde wordt "
        "weggelaten.",
        "Correct it at the source, letter for letter, or list the field's options in the mapping file.",
        "Verbeter het in de bron, letter voor letter, of zet de keuzes van het veld in het mappingbestand.",
    ),
    Rule(
        "profile_field_no_date",
        "profile_field_*",
        Blocks.NOTHING,
        "'{value}' for {field} is no date as the mapping writes it, and Moodle would make another day of it. The value is left out.",
        "'{value}' voor {field} is geen datum zoals de mapping die schrijft, en Moodle zou er een andere dag van maken. De waarde "
        "wordt weggelaten.",
        "Write it as 2024-05-01, or give the field a date_format in the mapping file.",
        "Schrijf de datum als 2024-05-01, of geef het veld een date_format in het mappingbestand.",
    ),
    Rule(
        "profile_field_year",
        "profile_field_*",
        Blocks.NOTHING,
        "'{value}' for {field} lies outside the years that the field takes; Moodle would move it to the first or last of them. The "
        "value is left out.",
        "'{value}' voor {field} valt buiten de jaren van het veld; Moodle zou er het eerste of laatste jaar van maken. De waarde wordt "
        "weggelaten.",
        "Correct the year at the source, or widen the field's years in Moodle and in the mapping file.",
        "Verbeter het jaar in de bron, of verruim de jaren van het veld in Moodle en in het mappingbestand.",
    ),
    Rule(
        "text_damaged",
        "*",
        Blocks.NOTHING,
        "'{value}' in {field} is damaged: letters are lost, or the text was read in another encoding than it was written in. The "
        "value is left out; without a name no account is made.",
        "'{value}' in {field} is beschadigd: er zijn letters verloren, of de tekst is in een andere codering gelezen dan geschreven. "
        "De waarde wordt weggelaten; zonder naam wordt er geen account gemaakt.",
        "Correct it at the source, or export the file again in UTF-8.",
        "Verbeter het in de bron, of exporteer het bestand opnieuw in UTF-8.",
    ),
    Rule(
        "sources_differ",
        "*",
        Blocks.NOTHING,
        "The sources differ on {field}, and the first of them is followed: {value}.",
        "De bronnen verschillen over {field}; de eerste wordt gevolgd: {value}.",
        "Correct it in the source that is wrong.",
        "Verbeter het in de bron die het mis heeft.",
        shown=240,
    ),
)
"""All rules, in the order in which a person's reasons are listed. What is known of Moodle is from its recordings
(4.5 and 5.1): create_email_invalid_*, create_html_firstname, create_lt_firstname, create_country_*, create_lang_*,
by_field_idnumber_zero, create_customfield_70000 and others."""

RULE_BY_CODE: Final = {rule.code: rule for rule in RULES}
