"""``core_user_create_users``: all of a call's users, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.moodle.context import FORCE_PASSWORD_CHANGE
from moodle_coupling.sandbox.moodle.emails import is_valid_email
from moodle_coupling.sandbox.moodle.exceptions import InvalidParameter
from moodle_coupling.sandbox.moodle.functions.extras import save_extras
from moodle_coupling.sandbox.moodle.functions.passwords import (
    NOT_CACHED,
    check_length,
    check_policy,
    is_internal,
    mailed_hash,
    stored_hash,
)
from moodle_coupling.sandbox.moodle.functions.saving import insert_user
from moodle_coupling.sandbox.moodle.php import is_empty, trim

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.context import Context

# Installed, and yet not for new accounts.
_NOT_FOR_NEW = ("mnet", "webservice")


def create_users(context: Context, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Create the users in one transaction and return their ids and usernames in the order sent."""
    context.require_ready_user()
    context.require("moodle/user:create")
    with context.accounts.transaction():
        return [_create(context, user) for user in parameters["users"]]


def _create(context: Context, user: dict[str, Any]) -> dict[str, Any]:
    _check(context, user)
    context.work.accounts += 1
    createpassword = bool(user.pop("createpassword", False))
    password = user.pop("password", None)
    if not is_internal(user["auth"]):
        row = _with_password(user, NOT_CACHED)
    elif createpassword:
        row = _with_password(user, "")
    else:
        check_policy(password, context.site)
        row = user
    userid = insert_user(context, row)
    if row is user:
        check_length(password)
        _keep_password(context, userid, stored_hash(user["auth"]))
    save_extras(context, userid, user)
    if createpassword:
        context.accounts.set_preference(userid, FORCE_PASSWORD_CHANGE, "1")
        _keep_password(context, userid, mailed_hash(user["auth"]))
    return {"id": userid, "username": user["username"]}


def _with_password(user: dict[str, Any], password: str) -> dict[str, Any]:
    row = dict(user)
    row["password"] = password
    return row


def _keep_password(context: Context, userid: int, hashed: str | None) -> None:
    if hashed is not None:
        context.work.passwords += 1
        context.accounts.update(userid, {"password": hashed})


def _check(context: Context, user: dict[str, Any]) -> None:
    """Raise at the first check the user fails, in Moodle's order."""
    for field in ("username", "firstname", "lastname"):
        if trim(user[field]) == "":
            raise _refused(context, f"The field {field} cannot be blank")
    if context.accounts.find("username", [user["username"]]):
        raise _refused(context, f"Username already exists: {user['username']}")
    _check_choices(context, user)
    has_password = not is_empty(user.get("password", "")) or user.get("createpassword")
    if is_internal(user["auth"]) and not has_password:
        raise _refused(context, "Invalid password: you must provide a password, or set createpassword.")
    _check_email(context, user["email"])


def _check_choices(context: Context, user: dict[str, Any]) -> None:
    site = context.site
    if user["auth"] not in site.auths() or user["auth"] in _NOT_FOR_NEW:
        raise _refused(context, f"Invalid authentication type: {user['auth']}")
    if user["lang"] not in site.langs:
        raise _refused(context, f"Invalid language code: {user['lang']}")
    if user.get("theme") and user["theme"] not in site.themes:
        raise _refused(context, f"Invalid theme: {user['theme']}")


def _check_email(context: Context, email: str) -> None:
    if not is_valid_email(email):
        raise _refused(context, f"Email address is invalid: {email}")
    if not context.site.allowaccountssameemail and email_taken(context, email):
        raise _refused(context, f"Email address already exists: {email}")


def email_taken(context: Context, email: str, *, but_for: int = 0) -> bool:
    """Return whether another account has this address, letter case aside."""
    if context.site.realistic and context.site.scans_for_addresses():
        context.work.rows_checked += context.accounts.count()
    return any(row["id"] != but_for for row in context.accounts.with_address(email))


def _refused(context: Context, reason: str) -> InvalidParameter:
    return InvalidParameter(reason, show_debuginfo=context.site.shows_debuginfo())
