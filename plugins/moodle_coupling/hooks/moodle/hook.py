"""MoodleHook: Moodle's web service for accounts, over one pooled session; what it says of access stands in ``access``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling import settings
from moodle_coupling.errors import (
    CouplingError,
    InputError,
    MoodleAnswerUnreadable,
    MoodleParameterRefused,
    MoodleRecordRefused,
    MoodleRequestTooLarge,
)
from moodle_coupling.hooks.connection import Pooled
from moodle_coupling.hooks.moodle import records
from moodle_coupling.hooks.moodle.access import AccessCalls
from moodle_coupling.hooks.moodle.answers import in_call
from moodle_coupling.hooks.moodle.connection import NAME, MoodleSettings, masked
from moodle_coupling.hooks.moodle.records import (
    CONTROL_VARIABLES,
    CREATE_USERS,
    DELETE_USERS,
    GET_USERS,
    GET_USERS_BY_FIELD,
    UPDATE_USERS,
    AccountsRead,
)
from moodle_coupling.hooks.moodle.wire import MoodleWire
from moodle_coupling.hooks.pause import guard as pause_guard
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from moodle_coupling.contract.fields import Account
    from moodle_coupling.hooks.moodle.probes import Value
    from moodle_coupling.hooks.moodle.records import (
        AccountChange,
        CreatedAccount,
        NewAccount,
        Report,
        ReportPage,
        UpdateWarning,
    )

LOOK_UP_FIELDS: Final = ("id", "idnumber", "username", "email")
SEARCH_KEYS: Final = ("id", "lastname", "firstname", "idnumber", "username", "email", "auth")
"""The keys core_user_get_users filters on; with any other it gives everyone, and a warning (seen on 4.5 and 5.1)."""

READ_CHUNK: Final = 500
"""Values per look-up: as fast per account as 4,900 (measured), with an answer of half a megabyte or so."""

_REPORTS_AT_ONCE: Final = 100


class MoodleHook(Pooled[MoodleSettings, MoodleWire], AccessCalls):
    """Talks to one Moodle. Several threads may use one hook; it opens at most ``parallel_requests`` connections.

    ``guard`` is called before every request, whatever its kind; what it raises (CouplingPaused) ends the call. It is the
    connection's pause variable unless another one is given, so that nothing gets around a pause.
    ``patient`` is for runs: a call then outlasts an outage of half a minute, where a person at a page waits for ten seconds.
    ``sleep`` takes seconds and is only another one in tests.
    """

    conn_name_attr = "moodle_conn_id"
    default_conn_name = "moodle_default"
    conn_type = "moodle"
    hook_name = NAME

    def __init__(
        self,
        moodle_conn_id: str = default_conn_name,
        *,
        guard: Callable[[], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        patient: bool = False,
        logger_name: str | None = None,
    ) -> None:
        super().__init__(moodle_conn_id, logger_name=logger_name)
        self.moodle_conn_id = moodle_conn_id
        self._start(guard if guard is not None else pause_guard(moodle_conn_id), sleep, patient=patient)

    @classmethod
    def from_settings(
        cls,
        settings: MoodleSettings,
        *,
        guard: Callable[[], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        patient: bool = False,
    ) -> MoodleHook:
        """Make a hook without Airflow's connections and variables: no pause is looked at unless ``guard`` does."""
        hook = cls(settings.conn_id, guard=guard if guard is not None else _no_guard, sleep=sleep, patient=patient)
        hook._settings = settings
        return hook

    def _read(self, connection: Any) -> MoodleSettings:
        return masked(connection)

    def _open(self, settings: MoodleSettings) -> MoodleWire:
        return MoodleWire(settings)

    # ---- what we use -------------------------------------------------------------------------------------------------

    def create_accounts(self, accounts: Sequence[NewAccount]) -> list[CreatedAccount]:
        """Create accounts in one call, all or none; give their ids in the order sent.

        Raises MoodleRefused when Moodle refuses one (nothing was created then), AnswerLost when the answer is missing or
        does not match what was sent, MoodleRequestTooLarge when they do not fit one form.
        """
        if not accounts:
            return []
        answer = self.call(CREATE_USERS, users=[records.new_account(one) for one in accounts])
        return records.created_accounts(answer, accounts, CREATE_USERS)

    def update_accounts(self, changes: Sequence[AccountChange]) -> list[UpdateWarning]:
        """Change accounts in one call, each on its own; give why some were not written, the others were.

        Raises MoodleParameterRefused (nobody was written), MoodleAnswerUnreadable (some may have been), AnswerLost,
        MoodleRequestTooLarge; InputError for a name made empty.
        """
        if not changes:
            return []
        answer = self.call(UPDATE_USERS, users=[records.changed_account(one) for one in changes])
        return records.update_warnings(answer, UPDATE_USERS)

    def takes_values(self, values: Sequence[Value]) -> bool:
        """Tell whether Moodle takes these values of fields as such; nothing is written.

        They are sent as updates of account 0, which nobody has. A value that the parameter check does not pass, such as a
        language that is not installed, refuses the whole call; otherwise there is a warning for each (recordings 151, 159
        and 164). Raises a MoodleError for anything else.
        """
        try:
            self.call(UPDATE_USERS, users=[{"id": 0, name: value} for name, value in values])
        except MoodleParameterRefused:
            return False
        return True

    def accounts_by_field(self, field: str, values: Iterable[str | int]) -> AccountsRead:
        """Look accounts up by id, idnumber, username or email; deleted ones are left out, as are empty values.

        MariaDB and MySQL ignore letter case, accents and trailing spaces: compare what comes back yourself. An odd value,
        or an account whose username does not fit the site's rules, makes Moodle refuse a whole call; it is then
        isolated and reported. Raises a MoodleError for anything else.
        """
        if field not in LOOK_UP_FIELDS:
            raise InputError(Sentence("moodle.not_looked_up_by", fields=list(LOOK_UP_FIELDS), field=field))
        wanted = list(dict.fromkeys(text for text in map(str, values) if text))
        size = min(READ_CHUNK, self.settings.max_input_vars - CONTROL_VARIABLES - 1)
        found: dict[int, Account] = {}
        unreadable: dict[str, bool] = {}
        for start in range(0, len(wanted), size):
            self._look_up(field, wanted[start : start + size], found, unreadable)
        deleted = {id_ for id_, one in found.items() if records.is_deleted(one)}
        accounts = tuple(one for id_, one in found.items() if id_ not in deleted)
        odd = tuple(value for value, there in unreadable.items() if there)
        return AccountsRead(accounts, tuple(unreadable), tuple(deleted), odd)

    def _look_up(self, field: str, values: list[str], found: dict[int, Account], unreadable: dict[str, bool]) -> None:
        try:
            answer = self.call(GET_USERS_BY_FIELD, field=field, values=values)
        except (MoodleAnswerUnreadable, MoodleParameterRefused, MoodleRequestTooLarge) as error:
            if len(values) > 1:
                half = len(values) // 2
                self._look_up(field, values[:half], found, unreadable)
                self._look_up(field, values[half:], found, unreadable)
                return
            if isinstance(error, MoodleRequestTooLarge):
                raise
            unreadable[values[0]] = isinstance(error, MoodleAnswerUnreadable)
            return
        found.update((one.id, one) for one in records.all_accounts_in(answer, GET_USERS_BY_FIELD))

    def find_accounts(self, key: str, value: str, also: Mapping[str, str] | None = None) -> list[Account]:
        """Search accounts; email, firstname and lastname are LIKE patterns (% and _), the other keys must be equal.

        ``also`` has further keys that must hold as well. Guest and service users come along, deleted accounts do not. Raises InputError for a key Moodle does not filter
        on, for it would give everyone.
        """
        wanted = {key: value, **(also or {})}
        if unknown := [one for one in wanted if one not in SEARCH_KEYS]:
            raise InputError(Sentence("moodle.not_searched_by", key=unknown[0], keys=list(SEARCH_KEYS)))
        answer = self.call(GET_USERS, criteria=[{"key": name, "value": text} for name, text in wanted.items()])
        if not isinstance(answer, dict) or answer.get("warnings"):
            said = in_call(GET_USERS, Sentence("moodle.did_not_search", key=key))
            raise MoodleRecordRefused(said, function=GET_USERS)
        return records.accounts_in(answer.get("users"), GET_USERS)

    def list_reports(self) -> list[Report]:
        """Give the custom reports that the service user may see.

        Raises MoodleFunctionMissing where the service has not this function (or Moodle is older than 4.0), and
        MoodleAccessDenied where the service user may see no reports.
        """
        found: list[Report] = []
        while True:
            answer = self.call(records.LIST_REPORTS, page=len(found) // _REPORTS_AT_ONCE, perpage=_REPORTS_AT_ONCE)
            page = records.reports_in(answer)
            found += page
            if len(page) < _REPORTS_AT_ONCE:
                return found

    def report_page(self, report_id: int, page: int, per_page: int) -> ReportPage:
        """Give one page (from 0) of a custom report; 5,000 rows a page is as fast as it gets (3,300 rows a second, measured).

        Raises MoodleAccessDenied where the service user may not see it, MoodleRefused where there is none of that number.
        """
        answer = self.call(records.RETRIEVE_REPORT, reportid=report_id, page=page, perpage=per_page)
        return records.page_in(answer)

    def delete_accounts(self, ids: Sequence[int]) -> None:
        """Delete accounts, in one call; only tests do that, to clean up after themselves."""
        if ids:
            self.call(DELETE_USERS, userids=list(ids))

    def test_connection(self) -> tuple[bool, str]:
        """Say whether this connection is fit for a run, and what to mend where it is not."""
        from moodle_coupling.hooks.moodle.check import check_site, explain, is_fit

        try:
            findings = check_site(self)
        except CouplingError as error:
            return False, str(error)
        return is_fit(findings), explain(findings, settings.texts())


def _no_guard() -> None:
    """Let every request pass."""
