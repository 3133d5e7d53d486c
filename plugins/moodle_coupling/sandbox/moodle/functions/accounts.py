"""Creating, updating and deleting accounts: Moodle's three functions, and how it writes one user record."""

from __future__ import annotations

import hashlib
import itertools
import secrets
import time
import unicodedata
from typing import TYPE_CHECKING, Any

from moodle_coupling.contract.fields import COUNTRIES, NEEDS_PASSWORD
from moodle_coupling.sandbox.moodle.accounts import COLUMNS, UsernameTaken
from moodle_coupling.sandbox.moodle.cleaning import ParamType, clean, is_valid_email
from moodle_coupling.sandbox.moodle.context import FORCE_PASSWORD_CHANGE
from moodle_coupling.sandbox.moodle.descriptions import SMALL_NUMBERS, WIDTHS
from moodle_coupling.sandbox.moodle.exceptions import InvalidParameter, MoodleException, record_missing, write_failed
from moodle_coupling.sandbox.moodle.php import is_empty, to_text, trim

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.context import Context
    from moodle_coupling.sandbox.moodle.site import SiteSettings

NOT_CACHED = "not cached"
# Of those that need a password two throw a given one away (recordings 580 to 618).
_KEEPS_A_HASH = NEEDS_PASSWORD - {"nologin", "lti"}
# A password that Moodle makes itself and mails is kept by these, of those that need none.
_KEEPS_A_MAILED_ONE = NEEDS_PASSWORD | {"ldap"}
_LONGEST = 128


def is_internal(auth: str) -> bool:
    """Return whether Moodle itself keeps the passwords of this authentication method."""
    return auth in NEEDS_PASSWORD


def stored_hash(auth: str) -> str | None:
    """Return what stands in the table after a password was set; None where nothing changes.

    The sandbox keeps nothing of the password itself, only something that looks like a hash.
    """
    if auth in _KEEPS_A_HASH:
        return f"$6$rounds=10000${secrets.token_hex(8)}${secrets.token_hex(43)}"
    return None


def mailed_hash(auth: str) -> str:
    """Return what stands in the table after Moodle made a password itself and mailed it."""
    return stored_hash("manual" if auth in _KEEPS_A_MAILED_ONE else auth) or NOT_CACHED


def check_policy(password: str, site: SiteSettings) -> None:
    """Raise Moodle's odd error for a weak password: its *code* is the HTML text itself."""
    if not site.passwordpolicy:
        return
    errors = "".join(f"<div>{text}</div>" for text in _weaknesses(password, site))
    if errors:
        raise MoodleException(errors, f"error/{errors}")


def check_length(password: str) -> None:
    """Raise for a password too long to be hashed; Moodle notices only after it wrote the account."""
    if len(password.encode("utf-8", "surrogateescape")) > _LONGEST:
        text = f"The password can't be more than {_LONGEST} characters."
        raise MoodleException(text, f"error/{text}")


def _weaknesses(password: str, site: SiteSettings) -> list[str]:
    kinds = [unicodedata.category(character) for character in password]
    lower, upper, digits = kinds.count("Ll"), kinds.count("Lu"), kinds.count("Nd")
    wanted = [
        (len(password), site.minpasswordlength, "Passwords must be at least {} characters long."),
        (digits, site.minpassworddigits, "Passwords must have at least {} digit(s)."),
        (lower, site.minpasswordlower, "Passwords must have at least {} lower case letter(s)."),
        (upper, site.minpasswordupper, "Passwords must have at least {} upper case letter(s)."),
        (
            len(password) - lower - upper - digits,
            site.minpasswordnonalphanum,
            "The password must have at least {} special character(s) such as *, -, or #.",
        ),
    ]
    texts = [text.format(least) for found, least, text in wanted if found < least]
    if 0 < site.maxconsecutiveidentchars < _longest_run(password):
        texts.append(f"Passwords must have at most {site.maxconsecutiveidentchars} consecutive identical characters.")
    return texts


def _longest_run(password: str) -> int:
    return max((len(list(group)) for _, group in itertools.groupby(password)), default=0)


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


_READ_ONLY = "The MariaDB server is running with the --read-only option so it cannot execute this statement"
_CALENDARS = ("", "gregorian")


def insert_user(context: Context, user: dict[str, Any]) -> int:
    """Add a user and return the id. Raises Moodle's database error where a value is too long or the name is taken."""
    now = int(time.time())
    # In the order in which Moodle lists the columns in its debug texts.
    defaults = {
        "maildisplay": 2, "mailformat": 1, "maildigest": 0, "autosubscribe": 1, "trackforums": 0,
        "city": context.site.defaultcity, "country": context.site.country,
    }  # fmt: skip
    row = {**user, "confirmed": 1, "mnethostid": 1}
    row |= {name: value for name, value in defaults.items() if name not in row}
    row |= {"timecreated": now, "timemodified": now}
    row = _without_excess_spaces(_with_choices(row, context.site))
    _check_row(row, context.site, _insert_statement(row))
    try:
        return context.accounts.insert(_columns(row))
    except UsernameTaken as error:
        raise _duplicate(row, _insert_statement(row)) from error


def update_user(context: Context, userid: int, changes: dict[str, Any]) -> None:
    """Change a user's columns; the time of modification moves even where nothing differs (seen on 4.5 and 5.1)."""
    changes = dict(changes)
    if not changes.get("calendartype"):
        changes.pop("calendartype", None)
    row = _without_excess_spaces(_with_choices({**changes, "timemodified": int(time.time())}, context.site))
    statement = _update_statement(row, userid)
    _check_row(row, context.site, statement)
    try:
        context.accounts.update(userid, _columns(row))
    except UsernameTaken as error:
        raise _duplicate(row, statement) from error


def check_writable(site: SiteSettings, statement: str = "") -> None:
    """Raise the database's refusal on a site whose database is read-only."""
    if site.db_read_only:
        raise write_failed(f"{_READ_ONLY}\n{statement}")


def _columns(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: int(value) if isinstance(value, bool) else value
        for name, value in row.items()
        if name in COLUMNS and name not in ("id", "interests")
    }


def _with_choices(row: dict[str, Any], site: SiteSettings) -> dict[str, Any]:
    """Replace a choice Moodle does not know by its default. An unknown country becomes ``0``: no country, on any site."""
    choices = {
        "country": (("", *COUNTRIES), site.country or "0"),
        "calendartype": (_CALENDARS, "gregorian"),
        "lang": (("", *site.langs), site.lang),
        "theme": (("", *site.themes), "boost"),
    }
    result = dict(row)
    for name, (known, default) in choices.items():
        if result.get(name) and result[name] not in known:
            result[name] = default
    return result


def _without_excess_spaces(row: dict[str, Any]) -> dict[str, Any]:
    """Cut spaces at the end that do not fit: the one excess MariaDB drops without an error."""
    return {
        name: value[: WIDTHS[name]]
        if name in WIDTHS and isinstance(value, str) and not value[WIDTHS[name] :].strip(" ")
        else value
        for name, value in row.items()
    }


def _check_row(row: dict[str, Any], site: SiteSettings, statement: str) -> None:
    check_writable(site, statement)
    for name, value in row.items():
        if len(to_text(value)) > WIDTHS.get(name, len(to_text(value))):
            raise write_failed(f"Data too long for column '{name}' at row 1\n{statement}")
        low, high = SMALL_NUMBERS.get(name, (value, value))
        if isinstance(value, int) and not low <= value <= high:
            raise write_failed(f"Out of range value for column '{name}' at row 1\n{statement}")


def _duplicate(row: dict[str, Any], statement: str) -> MoodleException:
    return write_failed(f"Duplicate entry '1-{row.get('username')}' for key 'mdl_user_mneuse_uix'\n{statement}")


def _insert_statement(row: dict[str, Any]) -> str:
    written = {name: value for name, value in row.items() if _in_sql(name)}
    marks = ",".join("?" * len(written))
    return f"INSERT INTO mdl_user ({','.join(written)}) VALUES({marks})\n{_var_export(list(written.values()))}"


def _update_statement(row: dict[str, Any], userid: int) -> str:
    written = {name: value for name, value in row.items() if _in_sql(name)}
    sets = ",".join(f"{name} = ?" for name in written)
    return f"UPDATE mdl_user SET {sets} WHERE id=?\n{_var_export([*written.values(), userid])}"  # noqa: S608


def _in_sql(name: str) -> bool:
    return (name in COLUMNS and name != "interests") or name in ("mnethostid", "maildigest", "autosubscribe")


def _var_export(values: list[Any]) -> str:
    rows = "".join(f"  {n} => {_exported(value)},\n" for n, value in enumerate(values))
    return f"[array (\n{rows})]"


def _exported(value: Any) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    return to_text(int(value) if isinstance(value, bool) else value)


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
        _check_changed_email(context, sent["email"], existing["id"])
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


def _check_changed_email(context: Context, email: str, userid: int) -> None:
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
    context.access.forget(userid)


def _free_name(context: Context, user: dict[str, Any], now: int) -> str:
    address = user["email"] or f"{user['username']}.{user['id']}@unknownemail.invalid"
    stem = str(clean(address, ParamType.USERNAME, context.site))[: 100 - len(str(now)) - 1]
    while context.accounts.find("username", [f"{stem}.{now}"]):
        now += 1
    return f"{stem}.{now}"
