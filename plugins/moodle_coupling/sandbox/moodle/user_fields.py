"""The fields of a Moodle user: their types as parameters, in the answers and in the table."""

from __future__ import annotations

from moodle_coupling.contract import fields
from moodle_coupling.sandbox.moodle.cleaning import ParamType
from moodle_coupling.sandbox.moodle.descriptions import Description, Many, Presence, Structure, Value, optional

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
