"""``core_user_get_users_by_field`` and ``core_user_get_users``: looking accounts up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.moodle.cleaning import ParamType, clean
from moodle_coupling.sandbox.moodle.collation import equality_key, like
from moodle_coupling.sandbox.moodle.exceptions import InvalidParameter, coding_error, unworded
from moodle_coupling.sandbox.moodle.functions.details import user_details
from moodle_coupling.sandbox.moodle.php import is_empty, loosely_equal
from moodle_coupling.sandbox.moodle.user_fields import TYPES

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.context import Context

_LOOKUPS = ("id", "idnumber", "username", "email")
_CRITERIA = (*_LOOKUPS, "auth", "firstname", "lastname")
_WITH_WILDCARDS = ("email", "firstname", "lastname")


def get_users_by_field(context: Context, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the accounts with one of the values, deleted ones too, by id; only if the field itself may be seen."""
    field: str = parameters["field"]
    if field not in _LOOKUPS:
        raise coding_error(
            "invalid field parameter",
            f"The search field '{field}' is not supported, look at the web service documentation",
        )
    values = [_cleaned(context, field, value) for value in parameters["values"]]
    found = context.accounts.find(field, values)
    context.require_ready_user()
    return [details for details in user_details(context, found) if details and _filled(details, field)]


def _cleaned(context: Context, field: str, value: str) -> str | int:
    cleaned = clean(value, TYPES[field], context.site)
    if not loosely_equal(value, cleaned):
        raise InvalidParameter(
            f"The field '{field}' value is invalid: {value}(cleaned value: {cleaned})",
            show_debuginfo=context.site.shows_debuginfo(),
        )
    return cleaned


def _filled(details: dict[str, Any], field: str) -> bool:
    """Return whether the caller saw the field; ``0`` counts as nothing there, as ever in PHP."""
    return not is_empty(details.get(field))


def get_users(context: Context, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the accounts that meet all criteria; a criterion of unknown name is left aside with a warning."""
    criteria: dict[str, str] = {}
    warnings = []
    for criterion in parameters["criteria"]:
        key = criterion["key"]
        if key in criteria:
            raise unworded("keyalreadyset", f"The key {key} can only be sent once")
        criteria[key] = criterion["value"]
        if key not in _CRITERIA:
            warnings.append(_unsupported(key))
    known = {key: value for key, value in criteria.items() if key in _CRITERIA}
    found = _search(context, known)
    users = [
        details for details in user_details(context, found) if details and all(_filled(details, key) for key in known)
    ]
    return {"users": users, "warnings": warnings}


def _unsupported(key: str) -> dict[str, str]:
    return {
        "item": key,
        "warningcode": "invalidfieldparameter",
        "message": f"The search key '{key}' is not supported, look at the web service documentation",
    }


def _search(context: Context, criteria: dict[str, str]) -> list[dict[str, Any]]:
    cleaned = {key: _search_value(context, key, value) for key, value in criteria.items()}
    quick = next((key for key in ("id", "username", "idnumber") if key in cleaned), None)
    rows = context.accounts.find(quick, [cleaned[quick]]) if quick else _scan(context, cleaned)
    return [
        row
        for row in rows
        if not row["deleted"] and all(_matches(context, row, key, value) for key, value in cleaned.items())
    ]


def _scan(context: Context, cleaned: dict[str, str | int]) -> list[dict[str, Any]]:
    key = next((key for key in _WITH_WILDCARDS if key in cleaned), None)
    if key is None:
        return context.accounts.all()
    column = context.accounts.column(key)
    context.work.rows_searched += len(column)
    fitting = [userid for userid, value in column if like(value, str(cleaned[key]))]
    return context.accounts.find("id", fitting)


def _search_value(context: Context, key: str, value: str) -> str | int:
    kind = ParamType.NOTAGS if key in ("firstname", "lastname") else TYPES[key]
    return clean(value, kind, context.site)


def _matches(context: Context, row: dict[str, Any], key: str, value: str | int) -> bool:
    if key == "id":
        return bool(row["id"] == value)
    if key in _WITH_WILDCARDS:
        return like(row[key], str(value))
    database = context.site.database
    return equality_key(row[key], database) == equality_key(str(value), database)
