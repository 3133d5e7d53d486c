"""``core_user_delete_users``: marks users as deleted, all of a call or none."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.moodle.cleaning import ParamType, clean
from moodle_coupling.sandbox.moodle.exceptions import MoodleException, record_missing
from moodle_coupling.sandbox.moodle.functions.saving import check_writable
from moodle_coupling.sandbox.moodle.functions.update_users import GUEST

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.context import Context


def delete_users(context: Context, parameters: dict[str, Any]) -> None:
    """Delete the users: name and address are made unrecognisable, the row stays."""
    context.require("moodle/user:delete")
    context.require_ready_user()
    check_writable(context.site, "UPDATE mdl_user")
    with context.accounts.transaction():
        for userid in parameters["userids"]:
            _delete(context, userid)


def _delete(context: Context, userid: int) -> None:
    user = context.accounts.get(userid)
    if user is None or user["deleted"]:
        raise record_missing(context.site.release, "user", id=userid, deleted=0)
    if context.is_admin(userid):
        raise MoodleException("useradminodelete", "Administrator accounts cannot be deleted.")
    if userid == context.user["id"]:
        raise MoodleException("usernotdeletederror", "User not deleted - error")
    if userid == GUEST:
        return  # Moodle says nothing and does nothing.
    context.work.accounts += 1
    now = int(time.time())
    context.accounts.update(
        userid,
        {
            "username": _free_name(context, user, now),
            "email": hashlib.md5(user["username"].encode(), usedforsecurity=False).hexdigest(),
            "idnumber": "",
            "deleted": 1,
            "timemodified": now,
        },
    )


def _free_name(context: Context, user: dict[str, Any], now: int) -> str:
    address = user["email"] or f"{user['username']}.{user['id']}@unknownemail.invalid"
    stem = str(clean(address, ParamType.USERNAME, context.site))[: 100 - len(str(now)) - 1]
    while context.accounts.find("username", [f"{stem}.{now}"]):
        now += 1
    return f"{stem}.{now}"
