"""``core_user_update_users``: each user in a transaction of its own, refusals as warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.moodle.emails import is_valid_email
from moodle_coupling.sandbox.moodle.exceptions import MoodleException
from moodle_coupling.sandbox.moodle.functions.create_users import email_taken
from moodle_coupling.sandbox.moodle.functions.extras import save_extras
from moodle_coupling.sandbox.moodle.functions.passwords import check_length, check_policy, stored_hash
from moodle_coupling.sandbox.moodle.functions.saving import update_user

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.context import Context

GUEST = 1


def update_users(context: Context, parameters: dict[str, Any]) -> dict[str, Any]:
    """Change each user that may be changed and return a warning for each that may not."""
    context.require("moodle/user:update")
    context.require_ready_user()
    warnings = []
    for user in parameters["users"]:
        try:
            with context.accounts.transaction():
                _update(context, user)
        except MoodleException as error:
            error.show_debuginfo = context.site.shows_debuginfo()
            warnings.append(
                {"item": "user", "itemid": user["id"], "warningcode": error.errorcode, "message": error.text()}
            )
    return {"warnings": warnings}


def _update(context: Context, sent: dict[str, Any]) -> None:
    existing = _updatable(context, sent["id"])
    context.work.accounts += 1
    if "email" in sent and sent["email"] != existing["email"]:
        _check_email(context, sent["email"], existing["id"])
    changes = {name: value for name, value in sent.items() if name not in ("id", "password")}
    password = sent.get("password")
    if password is not None:
        check_policy(password, context.site)
    update_user(context, existing["id"], changes)
    if password is not None:
        _set_password(context, existing["id"], sent.get("auth", existing["auth"]), password)
    save_extras(context, existing["id"], sent)


def _updatable(context: Context, userid: int) -> dict[str, Any]:
    existing = context.accounts.get(userid)
    if existing is None:
        raise MoodleException("invaliduserid", "Invalid user ID", "Invalid user ID")
    if userid != context.user["id"] and context.is_admin(userid) and not context.is_admin():
        raise MoodleException("usernotupdatedadmin", "Cannot update admin accounts", "Cannot update admin accounts")
    if existing["deleted"]:
        raise _unworded("usernotupdateddeleted", "User is a deleted user")
    if userid == GUEST:
        raise _unworded("usernotupdatedguest", "Cannot update guest account")
    return existing


def _check_email(context: Context, email: str, userid: int) -> None:
    if not is_valid_email(email):
        raise _unworded("useremailinvalid", "Invalid email address")
    if not context.site.allowaccountssameemail and email_taken(context, email, but_for=userid):
        raise MoodleException("useremailduplicate", "Duplicate address", "Duplicate email address")


def _set_password(context: Context, userid: int, auth: str, password: str) -> None:
    hashed = stored_hash(auth)
    if hashed is not None:
        check_length(password)
        context.work.passwords += 1
        context.accounts.update(userid, {"password": hashed})


def _unworded(errorcode: str, debuginfo: str) -> MoodleException:
    return MoodleException(errorcode, f"error/{errorcode}", debuginfo)
