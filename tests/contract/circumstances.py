"""What was different on the site for one recorded call, and what calls left out of the recordings had done before."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from contract.recording import person

from moodle_coupling.sandbox.moodle import CAPABILITIES, ProfileField

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from contract.recording import Recording

    from moodle_coupling.sandbox.moodle import SandboxMoodle

SERVICE_USER = 3


def _fields(**first: Any) -> dict[str, Any]:
    fields = [ProfileField(f"customfield{n}", f"Custom field {n}") for n in range(1, 6)]
    return {"profile_fields": [replace(fields[0], **first), *fields[1:]]}


_DEVELOPER = {"debug": "developer"}
_SHOWN = {"debug": "developer", "debugdisplay": True}

# Settings for the length of one call, by the beginning of its name; the longest beginning counts.
SETTINGS: dict[str, dict[str, Any]] = {
    "webservices_disabled": {"enablewebservices": False},
    "rest_protocol_disabled": {"rest_enabled": False},
    "debug_developer_": _DEVELOPER,
    "debugdisplay_": _SHOWN,
    "maintenance_cli_": {"maintenance": "cli"},
    "maintenance_config_": {"maintenance": "config"},
    "upgrade_pending": {"upgrade_pending": True},
    "upgrade_running": {"upgrade_running": True},
    "service_user_policy_not_agreed_create": {"sitepolicy": True},
    "service_user_profile_incomplete": _fields(required=True),
    "create_required_customfield_missing": _fields(required=True),
    "create_email_not_in_allowed_domains": {"allowemailaddresses": "example.com"},
    "create_duplicate_email_allowed": {"allowaccountssameemail": True},
    "create_unique_customfield_": _fields(forceunique=True),
    "create_locked_customfield": _fields(locked=True),
    "by_field_customfield_invisible": _fields(visible=0),
    "create_customfield_invisible": _fields(visible=0),
    "display_errors_": {"display_errors": True},
    "php_fpm_down": {"php_down": True},
    "db_down": {"db_down": True},
    "db_down_debug": {"db_down": True, **_DEVELOPER},
    "db_read_only": {"db_read_only": True},
}
_EXTENDED = {"extendedusernamechars": True}


def settings_for(recording: Recording) -> dict[str, Any]:
    """Give the settings that differed for this call."""
    if recording.name.endswith("_extended"):
        return _EXTENDED
    fitting = [name for name in SETTINGS if recording.name.startswith(name)]
    return SETTINGS[max(fitting, key=len)] if fitting else {}


@contextmanager
def _row(site: SandboxMoodle, userid: int, column: str, value: int) -> Iterator[None]:
    before = site.table.get(userid)
    assert before is not None
    site.table.update(userid, {column: value})
    yield
    site.table.update(userid, {column: before[column]})


@contextmanager
def _token(site: SandboxMoodle, **values: Any) -> Iterator[None]:
    site.restrict_token(**values)
    yield
    site.restrict_token()


@contextmanager
def _must_change_password(site: SandboxMoodle) -> Iterator[None]:
    site.table.set_preference(SERVICE_USER, "auth_forcepasswordchange", "1")
    yield
    site.table.forget_preference(SERVICE_USER, "auth_forcepasswordchange")


_WITHOUT_IDENTITY = frozenset(CAPABILITIES) - {"moodle/site:viewuseridentity"}
STATES: dict[str, Callable[[SandboxMoodle], Any]] = {
    "token_expired": lambda site: _token(site, valid_until=1),
    "token_ip_restricted": lambda site: _token(site, ip_restriction="10.0.0.0/8"),
    "service_disabled": lambda site: _token(site, service_enabled=False),
    "service_user_suspended": lambda site: _row(site, SERVICE_USER, "suspended", 1),
    "service_user_unconfirmed": lambda site: _row(site, SERVICE_USER, "confirmed", 0),
    "service_user_must_change_password": _must_change_password,
    "service_user_must_change_password_create": _must_change_password,
    "by_field_suspended_user": lambda site: _row(site, _id_of(site, "user00002"), "suspended", 1),
}


@contextmanager
def circumstances(site: SandboxMoodle, recording: Recording) -> Iterator[None]:
    """Give the site the state it had for this call, for the length of a block."""
    with ExitStack() as stack:
        stack.enter_context(site.changed(**settings_for(recording)))
        if recording.name.startswith("noidentity_"):
            stack.enter_context(_token(site, capabilities=_WITHOUT_IDENTITY))
        if recording.name in STATES:
            stack.enter_context(STATES[recording.name](site))
        yield


def _id_of(site: SandboxMoodle, username: str) -> int:
    account = site.account(username)
    assert account is not None
    return int(account["id"])


def _remove_odd_usernames(site: SandboxMoodle) -> None:
    names = ("plus+sign@example.org", "jan jansen", "josé")
    site.remove_accounts([_id_of(site, name) for name in names])


def _made_earlier(site: SandboxMoodle) -> None:
    account = site.account("user00001")
    assert account is not None
    site.table.update(account["id"], {"timecreated": account["timecreated"] - 2})


def _city(username: str, city: str) -> Callable[[SandboxMoodle], None]:
    return lambda site: site.table.update(_id_of(site, username), {"city": city})


def _created(number: int) -> Callable[[SandboxMoodle], None]:
    return lambda site: void(site.add_accounts([{**person(number), "password": "x"}]))


def void(_result: Any) -> None:
    """Drop a result."""


# What calls that were left out of the recordings (or recorded anew elsewhere) had done just before this one.
BEFORE: dict[str, Callable[[SandboxMoodle], None]] = {
    "update_no_change": _made_earlier,
    "create_username_100": _remove_odd_usernames,  # the lab cleared them away, or no list could be read any more
    "create_timezone_invalid": _created(26),  # 069, first made on this site
    "create_customfield_70000": _created(62),  # 105
    "create_firstname_invalid_utf8": _created(70),  # 113
    "update_ok": _created(4),  # 125: the name of a deleted account is free again
    "update_password_ok": _city("user00003", "WeakC"),  # 154
    "get_users_email_percent": _city("user00001", "twee"),  # 163
}
