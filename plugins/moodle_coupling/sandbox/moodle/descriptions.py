"""Descriptions of parameters and answers, those of a user field by field, and the two checks Moodle makes with them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, TypeAlias

from moodle_coupling.contract import fields
from moodle_coupling.sandbox.moodle.cleaning import ParamType, clean
from moodle_coupling.sandbox.moodle.exceptions import InvalidParameter, InvalidResponse, MoodleException
from moodle_coupling.sandbox.moodle.php import print_r, to_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moodle_coupling.sandbox.moodle.site import SiteSettings


class Presence(Enum):
    """Whether a key must be there, may be absent, or gets a default."""

    REQUIRED = auto()
    OPTIONAL = auto()
    DEFAULT = auto()


@dataclass(frozen=True)
class Value:
    """One plain value of a parameter type."""

    kind: ParamType
    presence: Presence = Presence.REQUIRED
    default: str | None = None


@dataclass(frozen=True)
class Structure:
    """A set of named keys, in the order Moodle checks and answers them."""

    keys: Mapping[str, Description]
    presence: Presence = Presence.REQUIRED


@dataclass(frozen=True)
class Many:
    """A list of one description."""

    content: Description
    presence: Presence = Presence.REQUIRED


Description: TypeAlias = Value | Structure | Many


def optional(kind: ParamType) -> Value:
    """Return a value that may be absent."""
    return Value(kind, Presence.OPTIONAL)


def checked_parameters(description: Description, sent: Any, site: SiteSettings) -> Any:
    """Return ``sent`` with types and defaults put right.

    Raises :class:`InvalidParameter` at the first thing that is not as described, in the order of the description; its
    reason holds the path to the culprit as Moodle builds it (without the position in a list).
    """
    if isinstance(description, Value):
        return _checked_value(description.kind, sent, site)
    if not isinstance(sent, dict):
        raise _invalid(f"Only arrays accepted. The bad value is: '{print_r(sent)}'", site)
    if isinstance(description, Many):
        return [checked_parameters(description.content, item, site) for item in sent.values()]
    return _checked_structure(description, sent, site)


def _invalid(debuginfo: str, site: SiteSettings) -> InvalidParameter:
    return InvalidParameter(debuginfo, show_debuginfo=site.shows_debuginfo())


def _checked_value(kind: ParamType, sent: Any, site: SiteSettings) -> Any:
    if isinstance(sent, dict):
        raise _invalid("Scalar type expected, array or object received.", site)
    if kind is ParamType.BOOL and sent in ("0", "1"):
        return sent == "1"
    cleaned = clean(sent, kind, site)
    if sent != to_text(cleaned):
        raise _invalid(
            f'Invalid external api parameter: the value is "{sent}", the server was expecting "{kind}" type', site
        )
    return cleaned


def _checked_structure(description: Structure, sent: dict[Any, Any], site: SiteSettings) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, inner in description.keys.items():
        if key not in sent and inner.presence is Presence.REQUIRED:
            raise _invalid(f"Missing required key in single structure: {key}", site)
        if key in sent or inner.presence is Presence.DEFAULT:
            value = sent[key] if key in sent else inner.default if isinstance(inner, Value) else None
            try:
                result[key] = checked_parameters(inner, value, site)
            except InvalidParameter as error:
                raise _invalid(_within(key, error), site) from error
    unexpected = [to_text(key) for key in sent if key not in description.keys]
    if unexpected:
        raise _invalid(f"Unexpected keys ({', '.join(unexpected)}) detected in parameter array.", site)
    return result


def _within(key: str, error: MoodleException) -> str:
    return f"{key} => {error.text()}: {error.debuginfo}"


def cleaned_answer(description: Description | None, answer: Any, site: SiteSettings) -> Any:
    """Return ``answer`` as described, unknown keys left out.

    Raises :class:`InvalidResponse` where one value does not pass: then nothing of the answer is sent.
    """
    if description is None:
        return None
    if isinstance(description, Value):
        return _cleaned_value(description.kind, answer, site)
    if isinstance(description, Many):
        return [cleaned_answer(description.content, item, site) for item in answer]
    return _cleaned_structure(description, answer, site)


def _cleaned_structure(description: Structure, answer: dict[str, Any], site: SiteSettings) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, inner in description.keys.items():
        if key not in answer:
            continue
        try:
            result[key] = cleaned_answer(inner, answer[key], site)
        except InvalidResponse as error:
            raise InvalidResponse(_within(key, error), show_debuginfo=site.shows_debuginfo()) from error
    return result


def _cleaned_value(kind: ParamType, answer: Any, site: SiteSettings) -> Any:
    if answer is None:
        return None
    if kind is ParamType.BOOL and answer in (True, False, "0", "1"):
        return answer in (True, "1")
    if kind is ParamType.RAW and isinstance(answer, int):
        return answer
    text = to_text(answer)
    cleaned = clean(text, kind, site)
    if text != to_text(cleaned):
        php_type = "integer" if isinstance(answer, int) else "string"
        raise InvalidResponse(
            f'Invalid external api response: the value is "{text}" of PHP type "{php_type}", '
            f'the server was expecting "{kind}" type',
            show_debuginfo=site.shows_debuginfo(),
        )
    return cleaned


P = ParamType

# core_user's property types (Moodle 4.5 and 5.1).
TYPES: dict[str, ParamType] = {
    "id": P.INT, "auth": P.AUTH, "confirmed": P.BOOL, "suspended": P.BOOL, "username": P.USERNAME, "password": P.RAW,
    "idnumber": P.RAW, "firstname": P.NOTAGS, "lastname": P.NOTAGS, "email": P.RAW_TRIMMED, "phone1": P.NOTAGS,
    "phone2": P.NOTAGS, "institution": P.TEXT, "department": P.TEXT, "address": P.TEXT, "city": P.TEXT,
    "country": P.ALPHA, "lang": P.LANG, "calendartype": P.PLUGIN, "theme": P.THEME, "timezone": P.TIMEZONE,
    "description": P.RAW, "mailformat": P.INT, "maildisplay": P.INT, "lastnamephonetic": P.NOTAGS,
    "firstnamephonetic": P.NOTAGS, "middlename": P.NOTAGS, "alternatename": P.NOTAGS,
}  # fmt: skip

# Characters each column of mdl_user holds; longer is an error of the database, for the whole call on create.
WIDTHS: dict[str, int] = {
    **fields.WIDTHS, "password": 255, "phone1": 20, "phone2": 20, "address": 255, "calendartype": 30,
    "lastnamephonetic": 255, "firstnamephonetic": 255, "middlename": 255, "alternatename": 255,
}  # fmt: skip
SMALL_NUMBERS: dict[str, tuple[int, int]] = {"maildisplay": (-128, 127), "mailformat": (-128, 127)}

_TYPE_AND_VALUE = Structure({"type": Value(P.ALPHANUMEXT), "value": Value(P.RAW)})
_PREFERENCE = Structure({"type": Value(P.RAW), "value": Value(P.RAW)})
_TAIL: dict[str, Description] = {
    "customfields": Many(_TYPE_AND_VALUE, Presence.OPTIONAL),
    "preferences": Many(_PREFERENCE, Presence.OPTIONAL),
}


def _optional(*names: str) -> dict[str, Description]:
    return {name: optional(TYPES[name]) for name in names}


CREATE_PARAMETERS = Structure(
    {
        "users": Many(
            Structure(
                {
                    "createpassword": optional(P.BOOL),
                    "username": Value(P.USERNAME),
                    "auth": Value(P.AUTH, Presence.DEFAULT, "manual"),
                    "password": optional(P.RAW),
                    "firstname": Value(P.NOTAGS),
                    "lastname": Value(P.NOTAGS),
                    "email": Value(P.RAW_TRIMMED),
                    **_optional("maildisplay", "city", "country", "timezone", "description", "firstnamephonetic"),
                    **_optional("lastnamephonetic", "middlename", "alternatename"),
                    "interests": optional(P.TEXT),
                    "idnumber": Value(P.RAW, Presence.DEFAULT, ""),
                    **_optional("institution", "department", "phone1", "phone2", "address"),
                    "lang": Value(P.LANG, Presence.DEFAULT, "en"),
                    "calendartype": Value(P.PLUGIN, Presence.DEFAULT, "gregorian"),
                    **_optional("theme", "mailformat"),
                    **_TAIL,
                }
            )
        )
    }
)

UPDATE_PARAMETERS = Structure(
    {
        "users": Many(
            Structure(
                {
                    "id": Value(P.INT),
                    **_optional("username", "auth", "suspended", "password", "firstname", "lastname", "email"),
                    **_optional("maildisplay", "city", "country", "timezone", "description"),
                    "userpicture": optional(P.INT),
                    **_optional("firstnamephonetic", "lastnamephonetic", "middlename", "alternatename"),
                    "interests": optional(P.TEXT),
                    **_optional("idnumber", "institution", "department", "phone1", "phone2", "address", "lang"),
                    **_optional("calendartype", "theme", "mailformat"),
                    **_TAIL,
                }
            )
        )
    }
)

DELETE_PARAMETERS = Structure({"userids": Many(Value(P.INT))})
BY_FIELD_PARAMETERS = Structure({"field": Value(P.ALPHA), "values": Many(Value(P.RAW))})
GET_USERS_PARAMETERS = Structure({"criteria": Many(Structure({"key": Value(P.ALPHA), "value": Value(P.RAW)}))})

CREATED = Many(Structure({"id": Value(P.INT), "username": Value(P.USERNAME)}))
WARNINGS = Many(
    Structure(
        {
            "item": optional(P.TEXT),
            "itemid": optional(P.INT),
            "warningcode": Value(P.ALPHANUM),
            "message": Value(P.RAW),
        }
    ),
    Presence.OPTIONAL,
)
UPDATED = Structure({"warnings": WARNINGS})
_CUSTOM_FIELD = Structure(
    {
        "type": Value(P.ALPHANUMEXT),
        "value": Value(P.RAW),
        "displayvalue": Value(P.RAW),
        "name": Value(P.RAW),
        "shortname": Value(P.RAW),
    }
)
USER = Structure(
    {
        "id": Value(P.INT),
        **_optional("username", "firstname", "lastname"),
        "fullname": Value(P.NOTAGS),
        **_optional("email", "address", "phone1", "phone2", "department", "institution", "idnumber"),
        "interests": optional(P.TEXT),
        "firstaccess": optional(P.INT),
        "lastaccess": optional(P.INT),
        **_optional("auth", "suspended", "confirmed", "lang", "calendartype", "theme", "timezone", "mailformat"),
        "trackforums": optional(P.INT),
        "description": optional(P.RAW),
        "descriptionformat": optional(P.INT),
        **_optional("city", "country"),
        "profileimageurlsmall": Value(P.RAW),
        "profileimageurl": Value(P.RAW),
        "customfields": Many(_CUSTOM_FIELD, Presence.OPTIONAL),
        "preferences": Many(Structure({"name": Value(P.RAW), "value": Value(P.RAW)}), Presence.OPTIONAL),
    }
)
USERS = Many(USER)
USERS_AND_WARNINGS = Structure({"users": USERS, "warnings": WARNINGS})
