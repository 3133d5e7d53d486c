"""What comes with a user beside the table's row: profile fields, preferences, interests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.moodle.context import FORCE_PASSWORD_CHANGE
from moodle_coupling.sandbox.moodle.php import is_empty, trim

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.context import Context


def save_extras(context: Context, userid: int, user: dict[str, Any]) -> None:
    """Write interests, profile fields and preferences, as far as they were sent and are known."""
    if not is_empty(user.get("interests", "")):
        items = [trim(item) for item in user["interests"].split(",")]
        context.accounts.update(userid, {"interests": ", ".join(item for item in items if not is_empty(item))})
    _save_profile(context, userid, user.get("customfields", []))
    if context.user["id"] != userid:
        _save_preferences(context, userid, user.get("preferences", []))


def _save_profile(context: Context, userid: int, sent: list[dict[str, str]]) -> None:
    """Keep the fields the site has; a name it does not have (in exactly that case) is dropped without a word."""
    values = {item["type"]: item["value"] for item in sent}
    for profile_field in context.site.profile_fields:
        value = values.get(profile_field.shortname)
        if value is not None:
            # Required, locked and unique are matters of forms, not of services.
            kept = profile_field.stored(value, context.site.timezone)
            context.accounts.set_profile(userid, profile_field.shortname, kept)
            context.work.profile_fields += 1


def _save_preferences(context: Context, userid: int, sent: list[dict[str, str]]) -> None:
    for item in sent:
        if item["type"] == FORCE_PASSWORD_CHANGE and item["value"] in ("0", "1"):
            context.accounts.set_preference(userid, FORCE_PASSWORD_CHANGE, item["value"])
