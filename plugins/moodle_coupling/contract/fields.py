"""Moodle's account fields, once: width, what Moodle refuses, who may read it, when it may be emptied, and its words.

A new field is one row of ``FIELDS``. What is known of Moodle is from its recordings (4.5 and 5.1): create_*_too_long,
create_html_*, create_country_*, create_lang_*, create_timezone_invalid, create_theme_invalid, hidden_*.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from moodle_coupling.contract.columns import read_flag

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence


# ---- Profile fields by their type: what each type takes, and how its values are written ----


class ProfileType(StrEnum):
    """A profile field's type, as ``core_user_get_users_by_field`` names it."""

    TEXT = "text"
    TEXTAREA = "textarea"
    SOCIAL = "social"
    MENU = "menu"
    CHECKBOX = "checkbox"
    DATETIME = "datetime"


_TEXTS: Final = frozenset({ProfileType.TEXT, ProfileType.TEXTAREA, ProfileType.SOCIAL})
"""Types that keep a text as it was sent."""


def contradicts(said: str, shown: str) -> bool:
    """Tell whether the type that a mapping says cannot be the one that the site shows; '' is not known."""
    return bool(said and shown) and said != shown and not {said, shown} <= _TEXTS


FIRST_YEAR, LAST_YEAR = 1900, 2050
"""The widest bounds that Moodle's form gives a date field; a year outside a field's own bounds is moved to the bound."""

_DAY: Final = 86_400
_QUARTER: Final = 900
_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:-\d{2}-\d{2}-\d{2})?")
_STAMP: Final = re.compile(r"-?\d{1,11}")


def date_sent(moment: dt.datetime, *, with_time: bool) -> str:
    """Give a moment as a date field takes it: YYYY-MM-DD, or YYYY-MM-DD-HH-MM-SS (with less the time is dropped)."""
    return moment.strftime("%Y-%m-%d-%H-%M-%S" if with_time else "%Y-%m-%d")


def date_stored(stored: str, zone: str = "") -> str:
    """Give a stored timestamp as a date is sent; a text that is no timestamp as it is, 0 (no date) as ''.

    Moodle stores midnight in the site's time zone. ``zone`` is that zone; without one the nearest midnight is meant, which is right
    from less than twelve hours west to twelve hours east of Greenwich.
    """
    if not _STAMP.fullmatch(stored):
        return stored
    if int(stored) == 0:
        return ""
    if zone:
        moment = dt.datetime.fromtimestamp(int(stored), zoneinfo.ZoneInfo(zone))
        return date_sent(moment, with_time=moment.time() != dt.time())
    days = (int(stored) + _DAY // 2) // _DAY
    return (dt.date(1970, 1, 1) + dt.timedelta(days=days)).isoformat()


def is_that_date(stored: str, sent: str) -> bool:
    """Tell whether a stored timestamp can be the moment that was sent, in whatever time zone the site is."""
    if not _MOMENT.fullmatch(sent) or not _STAMP.fullmatch(stored):
        return False
    try:
        moment = dt.datetime.strptime(sent, "%Y-%m-%d-%H-%M-%S" if len(sent) > 10 else "%Y-%m-%d")  # noqa: DTZ007
    except ValueError:
        return False
    away = int(stored) - int(moment.replace(tzinfo=dt.UTC).timestamp())
    return -14 * 3600 <= away <= 12 * 3600 and away % _QUARTER == 0


def is_kept(type_: str, stored: str, sent: str) -> bool:
    """Tell whether Moodle holds what was sent to a profile field, as it stores values of that type."""
    if type_ == ProfileType.DATETIME:
        return is_that_date(stored, sent) if sent else stored in ("", "0")
    if type_ == ProfileType.CHECKBOX:
        return (stored or "0") == (sent or "0")
    return stored.strip() == sent.strip()


class DateSetting(Protocol):
    """What a mapping says of a date field."""

    @property
    def date_format(self) -> str | None:
        """How the source writes dates, as strptime has it; None for ISO."""

    @property
    def years(self) -> Sequence[int] | None:
        """The first and last year that the field takes; None for the widest."""

    @property
    def with_time(self) -> bool:
        """Whether the field holds a time too."""


NO_FLAG: Final = "profile_field_no_flag"
NO_OPTION: Final = "profile_field_no_option"
NO_DATE: Final = "profile_field_no_date"
YEAR_OUTSIDE: Final = "profile_field_year"

_ISO: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T]00:00(?::00(?:\.0+)?)?)?")
"""2024-05-01, also as databases and spreadsheets write a date: with midnight behind it."""


def to_moodle(text: str, type_: str, setting: DateSetting, options: Collection[str] = ()) -> tuple[str, str]:
    """Give the value to send for a text of the source, and the code of the rule that it breaks ('' when it breaks none).

    ``options`` are those of a menu that are known. A tick that is not said is no tick.
    """
    if type_ == ProfileType.CHECKBOX:
        flag = read_flag(text)
        return ("", NO_FLAG) if flag is None else ("1" if flag else "0", "")
    if not text:
        return "", ""
    if type_ == ProfileType.MENU:
        return (text, "") if text in options else ("", NO_OPTION)
    if type_ == ProfileType.DATETIME:
        return _date(text, setting)
    return text, ""


def near_option(text: str, options: Collection[str]) -> str:
    """Give the option that a text is but for letter case and spaces, '' when there is none."""
    return next((option for option in sorted(options) if _loose(option) == _loose(text)), "")


def _loose(text: str) -> str:
    return "".join(text.casefold().split())


def _date(text: str, setting: DateSetting) -> tuple[str, str]:
    moment = _moment(text, setting.date_format)
    if moment is None:
        return "", NO_DATE
    first, last = setting.years or (FIRST_YEAR, LAST_YEAR)
    if not first <= moment.year <= last:
        return "", YEAR_OUTSIDE
    return date_sent(moment, with_time=setting.with_time), ""


def _moment(text: str, date_format: str | None) -> dt.datetime | None:
    if date_format is None:
        iso = _ISO.fullmatch(text)
        if iso is None:
            return None
        text, date_format = iso[1], "%Y-%m-%d"
    try:
        return dt.datetime.strptime(text, date_format)  # noqa: DTZ007  # Moodle reads it in the site's time zone
    except ValueError:
        return None


# ---- Moodle's account fields ----

_CODES: Final = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY "
    "BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK "
    "FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR "
    "IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK "
    "ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM "
    "PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF "
    "TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW "
)
COUNTRIES: Final = frozenset(_CODES.split())
"""ISO 3166-1 alpha-2: the countries that Moodle knows. It stores any other text as '0', without a word."""
PLUGIN: Final = re.compile(r"[a-z][a-z0-9_]*")
LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:_[a-z0-9]+)*")
TAG: Final = r"<(?:[^ \t\n\r\v\f]|$)"
"""What PHP's strip_tags() takes for the start of a tag: '<', unless white space follows. Moodle refuses a value that it alters."""
SITE_TIME_ZONE: Final = "99"
"""Moodle's code for the site's own time zone."""


class Takes(StrEnum):
    """What a field takes; any other value is refused or spoilt by Moodle."""

    ANY = "any"
    """Any text, or it has rules of its own elsewhere (an address, a username, a key)."""
    TEXT = "text"
    """Text without tags."""
    COUNTRY = "country"
    LANGUAGE = "language"
    TIME_ZONE = "time zone"
    PLUGIN = "plugin"


class Seen(StrEnum):
    """What must hold for the web service to show a field of somebody else's account."""

    ALWAYS = "always"
    ALL_DETAILS = "moodle/user:viewalldetails"
    """The capability, for the service user."""
    IDENTITY = "moodle/site:viewuseridentity"
    """The capability, and the field is ticked in the site setting showuseridentity."""
    NOT_HIDDEN = "moodle/user:viewhiddendetails"
    """The capability, or the field is not ticked in the site setting hiddenuserfields."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a Moodle account.

    ``width``: characters that mdl_user holds, one more and the whole batch is refused with dmlwriteexception (0: no text).
    ``mapped``: a mapping's ``fields`` may name it. ``emptied``: an empty value of the source may empty it; Moodle accepts
    an empty name and then locks the user out. ``echoed``: it is read back as it was sent. ``personal``: its user may set
    it, so a difference is nobody's drift. ``names_someone``: shown only to those who may see names and personal data.
    ``refusal``: the rule's code for a code that Moodle does not take; '' for texts.
    """

    name: str
    width: int
    takes: Takes
    seen: Seen
    mapped: bool = False
    emptied: bool = False
    echoed: bool = True
    personal: bool = False
    names_someone: bool = True
    refusal: str = ""

    def fits(self, value: str) -> bool:
        """Tell whether Moodle takes this value, and keeps it as it is; '' fits a field that may be emptied."""
        if not value:
            return self.emptied
        return not self.is_too_long(value) and self.is_of_its_kind(value)

    def is_too_long(self, value: str) -> bool:
        """Tell whether Moodle's column cannot hold this value."""
        return bool(self.width) and len(value) > self.width

    def is_of_its_kind(self, value: str) -> bool:
        """Tell whether this is what the field takes, whatever its length."""
        return bool(_FITS[self.takes](value))


def is_time_zone(name: str) -> bool:
    """Tell whether this names a time zone, such as Europe/Amsterdam, or the site's own."""
    import zoneinfo

    if name == SITE_TIME_ZONE:
        return True
    try:
        zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


_FITS: Final[dict[Takes, Callable[[str], object]]] = {
    Takes.ANY: lambda _: True,
    Takes.TEXT: lambda value: not re.search(TAG, value),
    Takes.COUNTRY: COUNTRIES.__contains__,
    Takes.LANGUAGE: LANGUAGE.fullmatch,
    Takes.TIME_ZONE: is_time_zone,
    Takes.PLUGIN: PLUGIN.fullmatch,
}

FIELDS: Final[tuple[Field, ...]] = (
    Field("username", 100, Takes.ANY, Seen.ALL_DETAILS),
    Field("firstname", 100, Takes.TEXT, Seen.ALWAYS),
    Field("lastname", 100, Takes.TEXT, Seen.ALWAYS),
    Field("email", 100, Takes.ANY, Seen.IDENTITY),
    Field("idnumber", 255, Takes.ANY, Seen.ALL_DETAILS, names_someone=False),
    Field(
        "auth",
        20,
        Takes.PLUGIN,
        Seen.ALL_DETAILS,
        mapped=True,
        personal=True,
        names_someone=False,
        refusal="auth_malformed",
    ),
    Field(
        "lang",
        30,
        Takes.LANGUAGE,
        Seen.ALL_DETAILS,
        mapped=True,
        echoed=False,
        personal=True,
        names_someone=False,
        refusal="lang_malformed",
    ),
    Field(
        "country", 2, Takes.COUNTRY, Seen.NOT_HIDDEN, mapped=True, emptied=True, echoed=False, refusal="country_unknown"
    ),
    Field("city", 120, Takes.TEXT, Seen.NOT_HIDDEN, mapped=True, emptied=True),
    Field("institution", 255, Takes.TEXT, Seen.ALL_DETAILS, mapped=True, emptied=True),
    Field("department", 255, Takes.TEXT, Seen.ALL_DETAILS, mapped=True, emptied=True),
    Field(
        "timezone",
        100,
        Takes.TIME_ZONE,
        Seen.NOT_HIDDEN,
        mapped=True,
        personal=True,
        names_someone=False,
        refusal="timezone_unknown",
    ),
    Field(
        "theme",
        50,
        Takes.PLUGIN,
        Seen.ALL_DETAILS,
        mapped=True,
        emptied=True,
        personal=True,
        names_someone=False,
        refusal="theme_malformed",
    ),
    Field("suspended", 0, Takes.ANY, Seen.NOT_HIDDEN, names_someone=False),
)
"""In the order in which they are written, which a plan's digest counts.

``country`` and ``lang`` are not echoed: Moodle stores an unknown country as '0' and shows no language that was uninstalled.
"""

FIELD_BY_NAME: Final = {field.name: field for field in FIELDS}

NAME_FIELDS: Final = ("firstname", "lastname", "email")
"""Who a person is to other people: what a mapping's ``write`` may name."""
CREATE_FIELDS: Final = ("username", *NAME_FIELDS, "idnumber")
"""What each new account has."""
MAPPED_FIELDS: Final = tuple(field.name for field in FIELDS if field.mapped)
"""What a mapping's ``fields`` may name."""
TEXT_FIELDS: Final = tuple(field.name for field in FIELDS if field.width)
"""Fields of an account that hold text; ``suspended`` does not."""
NEVER_EMPTIED: Final = frozenset(name for name in (*NAME_FIELDS, *MAPPED_FIELDS) if not FIELD_BY_NAME[name].emptied)
WIDTHS: Final = {field.name: field.width for field in FIELDS if field.width}

PROFILE_PREFIX: Final = "profile_field_"
"""Column prefix of a profile field, followed by its shortname: the spelling of Moodle's own CSV upload."""
PROFILE_WIDTH: Final = 2048
"""Width of a text profile field as a new site has it; Moodle cuts the rest off without a word (recording 106)."""


NEEDS_PASSWORD: Final = frozenset({"manual", "email", "lti", "nologin", "none"})
"""Plugins for which a create needs ``password`` or ``createpassword``; all others take an account without."""

NEEDS_PASSWORD_NAMES: Final = ", ".join(sorted(NEEDS_PASSWORD))
"""The same plugins as people read them."""
NEVER_FOR_NEW: Final = frozenset({"mnet", "webservice"})
"""Plugins that Moodle brings along and with which it makes no account; the check of a parameter takes ``webservice``."""


# ---- A Moodle account as it was read back ----


@dataclass(frozen=True, slots=True)
class Account:
    """A Moodle user as read back. Absent and empty are the same to Moodle: both are '' here.

    ``email`` and ``suspended``, which every account has, are None when the token may not see them (hidden is not empty).
    ``mapped`` holds the fields that a mapping may name (MAPPED_FIELDS of contract/fields.py).
    ``profile`` maps a profile field's shortname to its raw value; empty ones are left out by Moodle.
    ``profile_types`` maps those shortnames to the field's type (contract/fields.py).
    """

    id: int
    username: str
    firstname: str = ""
    lastname: str = ""
    email: str | None = None
    idnumber: str = ""
    suspended: bool | None = False
    mapped: Mapping[str, str] = field(default_factory=dict)
    profile: Mapping[str, str] = field(default_factory=dict)
    profile_types: Mapping[str, str] = field(default_factory=dict, compare=False)

    def value(self, name: str) -> str | bool | None:
        """Give a field of contract/fields.py by its name."""
        if name in MAPPED_FIELDS:
            return self.mapped.get(name, "")
        found: str | bool | None = getattr(self, name)
        return found
