"""Accounts, custom reports and what a site says of itself, as Moodle's web service writes and reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote_plus

from moodle_coupling.contract.fields import MAPPED_FIELDS, NAME_FIELDS, Account
from moodle_coupling.errors import AnswerLost, InputError, NotAMoodle
from moodle_coupling.hooks.moodle.answers import answer_lost, in_call, plain_text
from moodle_coupling.words.sentence import Sentence, text

# ---- A call's parameters as the form fields PHP reads, and how large the form is ----

CONTROL_VARIABLES: Final = 3
"""wsfunction and moodlewsrestformat, which go first, and wstoken, which goes last."""


def flatten(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give nested parameters as PHP-style names and text values, in the order given.

    ``{"users": [{"id": 5, "suspended": True}]}`` becomes ``users[0][id]=5``, ``users[0][suspended]=1``. A boolean becomes
    1 or 0 (Moodle refuses the word true), None is left out, an empty list or mapping leaves nothing behind.

    Raises TypeError for a value that is no text, number, boolean, list or mapping.
    """
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        _add(pairs, str(name), value)
    return pairs


def form_of(token: str, function: str, params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give the whole form of a call: function and format first, the token last.

    PHP drops what comes after its max_input_vars without a word, and Moodle carries out what is left: the token stands
    behind everything, so a form that lost anything at all has none and is refused (recordings 006 and 211). The format
    stands before, so that the refusal comes in JSON; docs/decisions/0023 says why this and no other order.
    """
    return [("wsfunction", function), ("moodlewsrestformat", "json"), *flatten(params), ("wstoken", token)]


def count_variables(params: Mapping[str, Any]) -> int:
    """Count the form variables a call takes, control fields included; what PHP compares with max_input_vars."""
    return CONTROL_VARIABLES + len(flatten(params))


def encode(form: Sequence[tuple[str, str]]) -> bytes:
    """Give the form as the body of a POST (application/x-www-form-urlencoded, UTF-8)."""
    return "&".join([f"{_quoted_name(name)}={_quoted(value)}" for name, value in form]).encode("ascii")


_PLAIN: Final = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch
_NAME: Final = re.compile(r"[A-Za-z0-9_.~\[\]-]*").fullmatch


_ESCAPED: Final = {code: quote_plus(chr(code)) for code in range(128)}


def _quoted(text: str) -> str:
    if _PLAIN(text):
        return text
    if text.isascii():  # nearly all that is left: an address has an @; a fifth of what quote_plus takes
        return text.translate(_ESCAPED)
    return quote_plus(text, encoding="utf-8", errors="replace")


# The same few hundred names in every call: users[0][username], users[0][email], …
@lru_cache(maxsize=16_384)
def _quoted_name(name: str) -> str:
    return name.replace("[", "%5B").replace("]", "%5D") if _NAME(name) else _quoted(name)


def most_bytes(form: Sequence[tuple[str, str]]) -> int:
    """Give a size that the form surely does not exceed in the body; much cheaper to tell than the size itself."""
    size = 2 * len(form)
    for name, value in form:
        size += 3 * (len(name) + (len(value) if value.isascii() else 4 * len(value)))
    return size


def body_size(params: Mapping[str, Any]) -> int:
    """Give the bytes a call's parameters take in the body, control fields not counted."""
    return len(encode(flatten(params)))


def _add(pairs: list[tuple[str, str]], name: str, value: object) -> None:
    if type(value) is str:
        pairs.append((name, value))
    elif value is None:
        return
    elif isinstance(value, bool):
        pairs.append((name, "1" if value else "0"))
    elif isinstance(value, str | int | float):
        pairs.append((name, str(value)))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _add(pairs, f"{name}[{key}]", inner)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            _add(pairs, f"{name}[{index}]", inner)
    else:
        msg = f"parameter '{name}' is a {type(value).__name__}, which a form cannot hold"
        raise TypeError(msg)


# ---- Accounts ----

CREATE_USERS: Final = "core_user_create_users"
UPDATE_USERS: Final = "core_user_update_users"
GET_USERS: Final = "core_user_get_users"
DELETE_USERS: Final = "core_user_delete_users"
GET_USERS_BY_FIELD: Final = "core_user_get_users_by_field"


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to create.

    ``fields`` are core_user_create_users' own keys (username, firstname, lastname, email, idnumber, auth, lang, country,
    city, createpassword …); ``profile`` maps shortname to value, empty ones left out.
    """

    fields: Mapping[str, str | int | bool]
    profile: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccountChange:
    """Changed fields of one existing account; a profile field is cleared with ''."""

    id: int
    fields: Mapping[str, str | int | bool]
    profile: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CreatedAccount:
    """What core_user_create_users gives back for one account, in the order sent."""

    id: int
    username: str


@dataclass(frozen=True, slots=True)
class UpdateWarning:
    """Why core_user_update_users did not write one account; everyone else of the call was written.

    ``account_id`` is None when Moodle's warning names no account.
    """

    account_id: int | None
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """A custom report that the service user may see. ``source`` is the class of what it reports on."""

    id: int
    name: str
    source: str


@dataclass(frozen=True, slots=True)
class ReportPage:
    """One page of a custom report, as people read it.

    ``headers`` and what is in the ``rows`` are in the site's language and HTML-escaped; ``total`` counts the rows of the
    whole report.
    """

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    total: int


@dataclass(frozen=True, slots=True)
class SiteInfo:
    """What the site says of itself and of the token's service; the private access key is left out on purpose."""

    sitename: str
    siteurl: str
    release: str
    version: str
    userid: int
    username: str
    lang: str = ""
    functions: frozenset[str] = frozenset()


_NEVER_EMPTIED: Final = ("username", *NAME_FIELDS)
_DELETED_USERNAME: Final = re.compile(r".*@.*\.\d{9,}", re.DOTALL)
_MD5: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class AccountsRead:
    """What a look-up gave: the accounts found, and the values Moodle could not look up or show at all.

    A value in ``unreadable`` says nothing about whether an account has it: its username, or that of the account it
    belongs to, does not fit the site's own rules. ``odd``: those of them of which an account is there, and cannot be shown
    (``invalidresponse``: the value was taken, and the answer failed Moodle's own check). ``deleted``: ids that Moodle keeps of deleted accounts (only found by
    id).
    """

    accounts: tuple[Account, ...]
    unreadable: tuple[str, ...] = ()
    deleted: tuple[int, ...] = ()
    odd: tuple[str, ...] = ()


def new_account(account: NewAccount) -> dict[str, Any]:
    """Give one account for core_user_create_users; empty profile fields are left out, each costs time."""
    custom = [{"type": name, "value": value} for name, value in account.profile.items() if value != ""]
    return {**account.fields, **({"customfields": custom} if custom else {})}


def changed_account(change: AccountChange) -> dict[str, Any]:
    """Give one account for core_user_update_users; a profile field is cleared by an empty value.

    Raises InputError for a name made empty: Moodle accepts that in an update, and the user can no longer log in.
    """
    for name in _NEVER_EMPTIED:
        if name in change.fields and not str(change.fields[name]).strip():
            raise InputError(Sentence("moodle.name_emptied", account=change.id, field=name))
    custom = [{"type": name, "value": value} for name, value in change.profile.items()]
    return {"id": change.id, **change.fields, **({"customfields": custom} if custom else {})}


def account(record: dict[str, Any]) -> Account:
    """Read one account; a key that is absent is empty, except what every account has, which is then hidden (None)."""
    email, suspended = record.get("email"), record.get("suspended")
    return Account(
        id=number(record.get("id")),
        username=text_in(record, "username"),
        firstname=text_in(record, "firstname"),
        lastname=text_in(record, "lastname"),
        email=None if email is None else text_in(record, "email"),
        idnumber=text_in(record, "idnumber"),
        suspended=None if suspended is None else suspended in (True, 1, "1"),
        mapped={name: text_in(record, name) for name in MAPPED_FIELDS},
        profile=_profile(record.get("customfields"), "value"),
        profile_types=_profile(record.get("customfields"), "type"),
    )


def accounts_in(answer: object, function: str) -> list[Account]:
    """Read a list of accounts, without deleted ones; raises NotAMoodle when it is no such list."""
    return [found for found in all_accounts_in(answer, function) if not is_deleted(found)]


def all_accounts_in(answer: object, function: str) -> list[Account]:
    """Read a list of accounts; raises NotAMoodle when it is no such list."""
    try:
        return [account(item) for item in rows_of(answer)]
    except ValueError as error:
        said = in_call(function, Sentence("moodle.no_accounts", why=why_of(error)))
        raise NotAMoodle(said, function=function) from None


def why_of(error: ValueError) -> Sentence:
    """Give what these readers raise with; a text where something else did."""
    return error.args[0] if error.args and isinstance(error.args[0], Sentence) else text(str(error))


def number(value: object) -> int:
    """Read an id or a count of Moodle's: a whole number from 0 up, which a database can hold; raises ValueError."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole and not (isinstance(value, str) and re.fullmatch(r"[0-9]{1,19}", value)):
        raise ValueError(Sentence("moodle.record.no_number", value=repr(str(value)[:20])))
    found = int(value)  # type: ignore[call-overload]
    if not 0 <= found < 2**63:
        raise ValueError(Sentence("moodle.record.no_number", value=str(found)[:20]))
    return int(found)


def rows_of(answer: object) -> list[dict[str, Any]]:
    """Give the rows of a list of records; raises ValueError when it is no such list."""
    if not isinstance(answer, list):
        # One kind of error for all that the answer can be.
        raise ValueError(Sentence("moodle.record.no_list"))  # noqa: TRY004
    if not all(isinstance(item, dict) for item in answer):
        raise ValueError(Sentence("moodle.record.no_record_in_it"))
    return answer


def is_deleted(found: Account) -> bool:
    """Whether Moodle keeps the account only as deleted: it is still found by its id.

    Its username is then the e-mail and a moment, its e-mail an md5 and its idnumber empty (seen on 4.5 and 5.1).
    """
    hashed = found.email is None or _MD5.fullmatch(found.email) is not None
    return not found.idnumber and hashed and _DELETED_USERNAME.fullmatch(found.username) is not None


def created_accounts(answer: object, sent: Sequence[NewAccount], function: str) -> list[CreatedAccount]:
    """Read what a create made, and check it against what was sent, one by one.

    Raises AnswerLost when they differ: PHP drops what is over max_input_vars without a word, and Moodle then creates
    the rest.
    """
    try:
        made = [CreatedAccount(number(item.get("id")), str(item.get("username", ""))) for item in rows_of(answer)]
    except ValueError as error:
        what = Sentence("moodle.no_created_accounts", why=why_of(error))
        raise answer_lost(function, what, Sentence("moodle.read_back")) from None
    if len(made) != len(sent):
        said = Sentence("moodle.other_number_created", sent=len(sent), made=len(made))
        raise AnswerLost(in_call(function, said), function=function)
    for place, (one, wanted) in enumerate(zip(made, sent, strict=True), start=1):
        if one.username != str(wanted.fields.get("username", "")).strip():
            said = Sentence("moodle.other_username_created", place=place, total=len(sent))
            raise AnswerLost(in_call(function, said), function=function)
    return made


def update_warnings(answer: object, function: str) -> list[UpdateWarning]:
    """Read whom an update left unwritten; raises AnswerLost when the answer does not say."""
    found = answer.get("warnings") if isinstance(answer, dict) else None
    if not isinstance(found, list):
        raise answer_lost(function, Sentence("moodle.no_warnings"), Sentence("moodle.read_back"))
    return [
        UpdateWarning(
            _whole(item.get("itemid")),
            plain_text(str(item.get("warningcode", "")), 60),
            plain_text(str(item.get("message", ""))),
        )
        for item in found
        if isinstance(item, dict)
    ]


def site_info(answer: object, function: str) -> SiteInfo:
    """Read what a site says of itself; raises NotAMoodle when it says nothing of the kind."""
    try:
        return _site_info(answer)
    except ValueError as error:
        said = in_call(function, Sentence("moodle.no_site_info", why=why_of(error)))
        raise NotAMoodle(said, function=function) from None


def _site_info(answer: object) -> SiteInfo:
    if not isinstance(answer, dict):
        # One kind of error for all that the answer can be.
        raise ValueError(Sentence("moodle.record.no_record"))  # noqa: TRY004
    if "functions" not in answer:
        raise ValueError(Sentence("moodle.record.no_functions"))
    functions = rows_of(answer["functions"] or [])
    return SiteInfo(
        sitename=text_in(answer, "sitename"),
        siteurl=text_in(answer, "siteurl"),
        release=text_in(answer, "release"),
        version=text_in(answer, "version"),
        userid=number(answer.get("userid")),
        username=text_in(answer, "username"),
        lang=text_in(answer, "lang"),
        functions=frozenset(str(item.get("name", "")) for item in functions),
    )


def text_in(record: dict[str, Any], key: str) -> str:
    """Read a text of a record, '' where it is absent."""
    value = record.get(key)
    return "" if value is None else str(value).replace("\0", "")


def _whole(value: object) -> int | None:
    try:
        return number(value)
    except ValueError:
        return None


def _profile(fields: object, key: str) -> dict[str, str]:
    """Map shortname to ``value`` (raw; ``displayvalue`` is formatted, with tags removed) or ``type``."""
    if not isinstance(fields, list):
        return {}
    known = [item for item in fields if isinstance(item, dict) and item.get("shortname")]
    return {text_in(item, "shortname"): text_in(item, key) for item in known}


LIST_REPORTS: Final = "core_reportbuilder_list_reports"
RETRIEVE_REPORT: Final = "core_reportbuilder_retrieve_report"


def reports_in(answer: object) -> list[Report]:
    """Read a list of reports; raises NotAMoodle when it is no such list."""
    try:
        return [
            Report(number(item["id"]), str(item["name"] or ""), str(item.get("source") or ""))
            for item in _part(answer, "reports")
        ]
    except (LookupError, TypeError, ValueError):
        said = in_call(LIST_REPORTS, Sentence("moodle.no_reports"))
        raise NotAMoodle(said, function=LIST_REPORTS) from None


def page_in(answer: object) -> ReportPage:
    """Read one page of a report; raises NotAMoodle when it is no such page."""
    try:
        data = _part(answer, "data")
        return ReportPage(
            headers=tuple(str(header) for header in data["headers"]),
            rows=tuple(tuple(_cell(value) for value in row["columns"]) for row in data["rows"]),
            total=number(data["totalrowcount"]),
        )
    except (LookupError, TypeError, ValueError):
        said = in_call(RETRIEVE_REPORT, Sentence("moodle.no_report_page"))
        raise NotAMoodle(said, function=RETRIEVE_REPORT) from None


def _part(answer: object, key: str) -> Any:
    if not isinstance(answer, dict):
        msg = "no mapping"
        raise TypeError(msg)
    return answer[key]


def _cell(value: object) -> str:
    return "" if value is None else str(value)
