"""The sandbox Moodle as one object: start it, ask its address and token, look inside, change its settings, break it; its paths, its log and its controls."""

from __future__ import annotations

import json
import secrets
import time
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from moodle_coupling.errors import SettingError
from moodle_coupling.sandbox.controls import AnyCall, CallLog, Controls
from moodle_coupling.sandbox.faults import AnyFault, FaultsInForce, flag
from moodle_coupling.sandbox.moodle.access import SYSTEM, AccessTables
from moodle_coupling.sandbox.moodle.accounts import Accounts
from moodle_coupling.sandbox.moodle.app import Call, Request, RestServer, login_page, php_warnings
from moodle_coupling.sandbox.moodle.context import ServiceTimes
from moodle_coupling.sandbox.moodle.functions.accounts import NOT_CACHED, is_internal, stored_hash
from moodle_coupling.sandbox.moodle.site import SiteSettings, Token, Tokens
from moodle_coupling.sandbox.server import JSON, Answer, Drip, SandboxServer, Sending, web_server_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from moodle_coupling.sandbox.moodle.access_file import StartingAccess, StartingCohort, StartingCourse
    from moodle_coupling.sandbox.server import HttpRequest


# ---- What can go wrong between a client and a Moodle ----


class FaultKind(StrEnum):
    """What goes wrong."""

    LATENCY = "latency"
    HOLD = "hold"
    ERROR_500 = "500"
    ERROR_502 = "502"
    ERROR_503 = "503"
    ERROR_504 = "504"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    TRUNCATED = "truncated"
    HTML = "html"
    PHP_WARNING = "php_warning"
    SLOW_DRIP = "slow_drip"


@dataclass(frozen=True)
class Fault(AnyFault):
    """One fault; what is not said here is as in :class:`AnyFault`.

    A hold lasts until the faults are cleared. ``after``: the error page comes after the work was done, so the answer is
    lost. ``function``: only calls of that function.
    """

    kind: FaultKind
    after: bool = False
    function: str = ""

    kinds: ClassVar = FaultKind
    readers: ClassVar = {"after": flag, "function": str}

    def fits(self, what: str) -> bool:
        """Return whether a call of the function ``what`` counts for this fault."""
        return self.function in ("", what)


# ---- The sandbox Moodle as one object ----

_SECRET_KEYS = ("wstoken", "password", "wspassword")


@dataclass(frozen=True, kw_only=True)
class LoggedCall(AnyCall):
    """One call: which function, its parameters, how many form fields and accounts, and the error code of its answer."""

    function: str
    parameters: Any
    errorcode: str
    fields: int
    accounts: int

    def is_of(self, what: str) -> bool:
        """Return whether the function ``what`` was called."""
        return self.function == what


def without_secrets(value: Any) -> Any:
    """Return nested parameters with every token and password masked."""
    if isinstance(value, dict):
        return {key: "***" if key in _SECRET_KEYS else without_secrets(item) for key, item in value.items()}
    return value


def count_fields(value: Any) -> int:
    """Return how many form fields a nested parameter took."""
    return sum(count_fields(item) for item in value.values()) if isinstance(value, dict) else 1


class Control(Controls):
    """Answers ``/sandbox/...`` of a Moodle."""

    def __init__(self, sandbox: SandboxMoodle, secret: str = "") -> None:
        self._sandbox = sandbox
        super().__init__(
            sandbox,
            secret,
            {
                ("GET", "state"): lambda _body: self._state(),
                ("POST", "accounts"): self._add_accounts,
                ("POST", "access"): self._add_access,
            },
        )

    def _state(self) -> dict[str, Any]:
        return {
            "accounts": self._sandbox.accounts(deleted=True),
            **self._sandbox.access.as_json(),
            "settings": self._sandbox.settings.as_json(),
        }

    def _add_accounts(self, body: Any) -> dict[str, Any]:
        return {"ids": self._sandbox.add_accounts(body)}

    def _add_access(self, body: Any) -> dict[str, Any]:
        from moodle_coupling.sandbox.moodle.access_file import read_access

        return self._sandbox.add_access(read_access(body))


REST_PATH = "/webservice/rest/server.php"


class MoodleFront:
    """A Moodle's web server."""

    title = "Moodle"

    def __init__(self, sandbox: SandboxMoodle) -> None:
        self._sandbox = sandbox

    @property
    def control(self) -> Control:
        """The control paths."""
        return self._sandbox.control

    def turned_away(self, path: str, size: int) -> Answer | None:
        """Return nginx's answer to a body that is too large, None to one that is not."""
        too_large = path.endswith(REST_PATH) and size > self._sandbox.settings.client_max_body_size
        return web_server_page(413) if too_large else None

    def respond(self, request: HttpRequest) -> Sending:
        """Answer a request; GET is as good as POST to Moodle's web service."""
        if not request.path.endswith(REST_PATH) or request.method == "DELETE":
            at_home = request.path in ("/", "/login/index.php")
            return Sending(login_page(self._sandbox.settings.sitename) if at_home else web_server_page(404))
        content_type = request.headers.get("Content-Type") or ""
        answer, faults = self._sandbox.serve(Request(request.query, content_type, request.body, request.address))
        cut, drip = _of_kind(faults, FaultKind.TRUNCATED), _of_kind(faults, FaultKind.SLOW_DRIP)
        return Sending(answer, cut.size if cut else None, Drip(max(1, drip.size), drip.seconds) if drip else None)


def _of_kind(faults: list[Fault], kind: FaultKind) -> Fault | None:
    return next((fault for fault in faults if fault.kind is kind), None)


GUEST, ADMIN, SERVICE_USER = 1, 2, 3
FIRST_PERSON = 50
_PROFILE_PREFIX = "profile_field_"
_PAGES = {
    FaultKind.ERROR_500: 500,
    FaultKind.ERROR_502: 502,
    FaultKind.ERROR_503: 503,
    FaultKind.ERROR_504: 504,
}
_ODD_NOTICE = ("Undefined array key &quot;sandbox&quot;",)


class SandboxMoodle:
    """A Moodle that is not one.

    ``url`` is its root without a trailing slash, ``token`` the service user's. ``settings`` may be changed at any
    moment; ``faults`` and ``calls`` are what they say. ``access`` are the cohorts and courses to start with, as in a file
    (:mod:`moodle_coupling.sandbox.moodle.access_file`).
    """

    def __init__(
        self,
        *,
        settings: SiteSettings | dict[str, Any] | None = None,
        accounts: Iterable[dict[str, Any]] = (),
        access: dict[str, Any] | None = None,
        state: Path | str = ":memory:",
        token: str = "",
        control_secret: str = "",
    ) -> None:
        self.settings = settings if isinstance(settings, SiteSettings) else SiteSettings()
        if isinstance(settings, dict):
            self.settings.change(settings)
        self.table = Accounts(state, self.settings)
        self.access = AccessTables(self.table.database, self.settings)
        self.tokens = Tokens()
        self.token = token or secrets.token_hex(16)
        self.faults = FaultsInForce(Fault)
        self.calls = CallLog(LoggedCall)
        self.control = Control(self, control_secret)
        self.url = ""
        self._times = ServiceTimes()
        self._rest = RestServer(self.settings, self.table, self.access, self.tokens)
        self._server: SandboxServer | None = None
        self._add_first_accounts()
        self.add_accounts(accounts)
        if access is not None:
            from moodle_coupling.sandbox.moodle.access_file import read_access

            self.add_access(read_access(access))
        self.tokens.add(Token(self.token, SERVICE_USER))

    def _add_first_accounts(self) -> None:
        """Add the accounts every site of ours has, unless the state file holds them already."""
        if self.table.get(GUEST) is None:
            self.table.insert(
                {"id": GUEST, "username": "guest", "firstname": "Guest user", "lastname": " ", "email": "root@localhost",
                 "description": "This user is a special user that allows read-only access to some courses."}
            )  # fmt: skip
            self.table.insert(
                {"id": ADMIN, "username": "admin", "firstname": "Admin", "lastname": "User", "maildisplay": 1,
                 "email": "admin@example.org"}
            )  # fmt: skip
            self.table.insert(
                {"id": SERVICE_USER, "username": "svc-coupling", "firstname": "Service", "lastname": "svc-coupling",
                 "email": "svc-coupling@example.org"}
            )  # fmt: skip
        self.table.reserve_ids(FIRST_PERSON)

    def add_accounts(self, accounts: Iterable[dict[str, Any]]) -> list[int]:
        """Put accounts straight into the table, past every check, and return their ids.

        Keys are Moodle's column names, and ``profile_field_<shortname>``. An account whose username is there already
        is left as it is (a sandbox started again on its state file).
        """
        with self.table.transaction():
            return [self._add_account(dict(account)) for account in accounts]

    def _add_account(self, account: dict[str, Any]) -> int:
        existing = self.table.find("username", [account["username"]])
        if existing:
            return int(existing[0]["id"])
        profile = {k: v for k, v in account.items() if k.startswith(_PROFILE_PREFIX)}
        row = {k: v for k, v in account.items() if k not in profile}
        auth = row.get("auth", "manual")
        row.setdefault("password", (stored_hash(auth) or "") if is_internal(auth) else NOT_CACHED)
        userid = self.table.insert(row)
        for name, value in profile.items():
            if value != "":
                self.table.set_profile(userid, name.removeprefix(_PROFILE_PREFIX), value)
        return userid

    def add_access(self, access: StartingAccess) -> dict[str, list[int]]:
        """Put cohorts and courses straight into the tables with who is in them, and return their ids.

        A cohort whose idnumber, or a course whose shortname is there already is left as it is. Raises
        :class:`SettingError` for a username that nobody has.
        """
        with self.table.transaction():
            return {
                "cohorts": [self._add_cohort(cohort) for cohort in access.cohorts],
                "courses": [self._add_course(course) for course in access.courses],
            }

    def _add_cohort(self, cohort: StartingCohort) -> int:
        existing = self.access.cohort("idnumber", cohort.idnumber)
        if existing:
            return int(existing["id"])
        row = {name: getattr(cohort, name) for name in ("name", "idnumber", "description")}
        categoryid = self.access.category(cohort.category) if cohort.category else SYSTEM
        cohortid = self.access.add_cohort({**row, "visible": int(cohort.visible), "categoryid": categoryid})
        for username in cohort.members:
            self.access.add_member(cohortid, self._id_of(username))
        return cohortid

    def _add_course(self, course: StartingCourse) -> int:
        existing = self.access.course("shortname", course.shortname)
        if existing:
            return int(existing["id"])
        row = {name: getattr(course, name) for name in ("shortname", "idnumber", "manual")}
        row |= {"fullname": course.fullname or course.shortname, "visible": int(course.visible)}
        row |= {"categoryid": self.access.category(course.category), "enablecompletion": int(course.completion)}
        courseid = self.access.add_course(row)
        for one in course.participants:
            userid = self._id_of(one.username)
            self.access.enrol(courseid, userid, one.role, int(one.suspended), one.timestart, one.timeend)
        return courseid

    def _id_of(self, username: str) -> int:
        found = self.table.find("username", [username])
        if not found:
            raise SettingError(f"There is no account with username {username!r} for the sandbox's cohorts and courses.")
        return int(found[0]["id"])

    def remove_accounts(self, userids: Iterable[int]) -> None:
        """Take accounts away without a trace, as no web service can."""
        gone = list(userids)
        self.table.remove(gone)
        for userid in gone:
            self.access.forget(userid)

    def accounts(self, *, deleted: bool = False) -> list[dict[str, Any]]:
        """Return what stands in the database: per account its columns, and ``profile_fields`` by shortname."""
        rows = self.table.all(deleted=deleted)
        profiles = self.table.profiles(row["id"] for row in rows)
        return [{**row, "profile_fields": profiles[row["id"]]} for row in rows]

    def account(self, username: str) -> dict[str, Any] | None:
        """Return the account of exactly that username, with its profile fields."""
        return next((row for row in self.accounts(deleted=True) if row["username"] == username), None)

    def add_token(self, userid: int, secret: str = "", **values: Any) -> Token:
        """Give a user a token; ``values`` as in :class:`Token`."""
        return self.tokens.add(Token(secret or secrets.token_hex(16), userid, **values))

    def restrict_token(self, **values: Any) -> None:
        """Change the service user's token: capabilities, functions, valid_until, ip_restriction, service_enabled."""
        self.tokens.add(Token(self.token, SERVICE_USER, **values))

    def changed(self, **settings: Any) -> AbstractContextManager[None]:
        """Change settings for the length of a block."""
        return self.settings.changed(**settings)

    def start(self, host: str = "127.0.0.1", port: int = 0, *, poll: float = 0.5) -> None:
        """Start answering in a thread; port 0 takes a free one. Raises :class:`OSError` where the port is taken.

        ``poll``: how many seconds :meth:`stop` may take to be noticed.
        """
        self._server = SandboxServer((host, port), MoodleFront(self))
        self.url = self._server.url
        self.settings.siteurl = self.settings.siteurl or self.url
        self._server.start(poll)

    def stop(self) -> None:
        """Stop answering and close the state."""
        self.faults.clear()  # lets go what is held
        if self._server is not None:
            self._server.stop()
            self._server = None
        self.table.close()

    def serve(self, request: Request) -> tuple[Answer | None, list[Fault]]:
        """Answer one request, with the faults that strike it; no answer means the connection is to be reset."""
        started = time.time()
        call = self._rest.read(request)
        faults = self.faults.striking(call.function)
        answer = self._faulty(call, request, faults)
        self.calls.add(
            started=started,
            function=call.function,
            parameters=without_secrets(call.parameters()),
            status=answer.status if answer else 0,
            errorcode=_errorcode(answer),
            fields=count_fields(call.values),
            accounts=call.work.accounts,
            faults=tuple(fault.kind.value for fault in faults),
        )
        return answer, faults

    def _faulty(self, call: Call, request: Request, faults: list[Fault]) -> Answer | None:
        kinds = {fault.kind for fault in faults}
        for fault in faults:
            if fault.kind is FaultKind.LATENCY:
                time.sleep(fault.seconds)
            elif fault.kind is FaultKind.HOLD:
                self.faults.hold(fault)
        if FaultKind.RESET_BEFORE in kinds:
            return None
        early = next((f for f in faults if _instead(f) and not f.after), None)
        if early:
            return self._page(early)
        answer = self._work(call, request)
        late = next((f for f in faults if _instead(f)), None)
        if FaultKind.RESET_AFTER in kinds:
            return None
        if late:
            return self._page(late)
        if FaultKind.PHP_WARNING in kinds:
            return Answer(answer.status, answer.content_type, php_warnings(_ODD_NOTICE) + answer.body, answer.headers)
        return answer

    def _work(self, call: Call, request: Request) -> Answer:
        closed = self._rest.closed(len(request.body))
        if closed:
            return closed
        with self._times.lasting(call.work, self.settings.database) if self.settings.realistic else nullcontext():
            return self._rest.answer(call, request.address)

    def _page(self, fault: Fault) -> Answer:
        if fault.kind is FaultKind.HTML:
            return login_page(self.settings.sitename)
        return web_server_page(_PAGES[fault.kind], retry_after=fault.retry_after)


def _instead(fault: Fault) -> bool:
    return fault.kind in _PAGES or fault.kind is FaultKind.HTML


def _errorcode(answer: Answer | None) -> str:
    if answer is None or answer.content_type != JSON or not answer.body.startswith(b'{"exception"'):
        return ""
    try:
        return str(json.loads(answer.body).get("errorcode", ""))
    except ValueError:
        return ""


@contextmanager
def running_moodle(
    *,
    settings: SiteSettings | dict[str, Any] | None = None,
    accounts: Iterable[dict[str, Any]] = (),
    access: dict[str, Any] | None = None,
    state: Path | str = ":memory:",
    token: str = "",
    port: int = 0,
) -> Iterator[SandboxMoodle]:
    """Run a sandbox Moodle on 127.0.0.1 for the length of a block; port 0 takes a free one."""
    sandbox = SandboxMoodle(settings=settings, accounts=accounts, access=access, state=state, token=token)
    sandbox.start(port=port, poll=0.01)
    try:
        yield sandbox
    finally:
        sandbox.stop()
