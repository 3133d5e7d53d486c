"""CoachviewHook: reading persons and enrolments from Coachview's API, over one pooled session."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling import settings
from moodle_coupling.errors import CoachviewAnswerUnreadable, CoachviewRefused, CouplingError, InputError
from moodle_coupling.hooks.coachview.budget import OwnState, SealedState, airflow_seal, state_key
from moodle_coupling.hooks.coachview.calls import Ask, CoachviewCalls
from moodle_coupling.hooks.coachview.connection import CategoriesVia, CoachviewSettings, FullRead, from_connection
from moodle_coupling.hooks.coachview.enrolments import KeyedReading, elearning_parts, enrolments
from moodle_coupling.hooks.coachview.persons import (
    Everything,
    ListOf,
    PageReader,
    PersonFields,
    PersonPage,
    PersonReading,
    Resume,
    ahead,
    fields_of_keys,
    lists_of_ids,
    widened,
)
from moodle_coupling.hooks.coachview.rows import CATEGORIES, PERSONS, FreeFields, category_names, definitions, lowered
from moodle_coupling.hooks.coachview.wire import CoachviewWire
from moodle_coupling.hooks.connection import Pooled
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from moodle_coupling.hooks.coachview.answers import Listing
    from moodle_coupling.hooks.coachview.budget import Seal, Shared, Sharing
    from moodle_coupling.hooks.coachview.enrolments import Row
    from moodle_coupling.hooks.coachview.persons import Ids

FREE_FIELDS: Final = "Vrijevelden"
_PERSON_OF_CATEGORY: Final = "persoonid"
_AHEAD: Final = dt.timedelta(days=2)
"""Days after today that a reading reaches: whose midnight counts is not known, nor whether the last day belongs to it."""


class CoachviewHook(Pooled[CoachviewSettings, CoachviewWire], CoachviewCalls):
    """Reads from one Coachview. Several threads may use one hook; it opens at most ``parallel_requests`` connections.

    ``sharing`` is where the token and the count of the day's requests are shared with other processes and machines; without
    it they are this hook's own. ``scopes`` are asked for beside those of the connection. The token is shared only encrypted, with Airflow's Fernet key, or not at all.
    """

    conn_name_attr = "coachview_conn_id"
    default_conn_name = "coachview_default"
    conn_type = "coachview"
    hook_name = "Coachview"

    def __init__(
        self,
        coachview_conn_id: str = default_conn_name,
        *,
        sharing: Sharing | None = None,
        scopes: Collection[str] = (),
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
        logger_name: str | None = None,
    ) -> None:
        super().__init__(coachview_conn_id, logger_name=logger_name)
        self.coachview_conn_id = coachview_conn_id
        self._of_airflow = True
        self._sharing = sharing
        self._scopes = tuple(scopes)
        self._seal: Seal | None = None
        self._start(sleep, now)

    @classmethod
    def from_settings(
        cls,
        settings: CoachviewSettings,
        *,
        sharing: Sharing | None = None,
        seal: Seal | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> CoachviewHook:
        """Make a hook without Airflow. Token and count are shared through ``sharing``, the token only with a ``seal``."""
        hook = cls(settings.conn_id, sharing=sharing, sleep=sleep, now=now)
        hook._settings, hook._of_airflow, hook._seal = settings, False, seal
        return hook

    def _read(self, connection: Any) -> CoachviewSettings:
        settings = from_connection(connection)
        settings = replace(settings, scopes=tuple(dict.fromkeys([*settings.scopes, *self._scopes])))
        self._seal = airflow_seal()
        self._mask(settings.client_secret)
        return settings

    def _open(self, settings: CoachviewSettings) -> CoachviewWire:
        return CoachviewWire(settings)

    def _shared(self, kind: str) -> Shared:
        settings = self.settings
        of = (settings.base_url, settings.client_id)
        if self._sharing is None:
            return OwnState()
        if kind != "token":
            return self._sharing(state_key(kind, *of))
        if self._seal is None:
            return OwnState()
        # A token is for its scopes, a budget for whatever the client asks.
        return SealedState(self._sharing(state_key(kind, *of, *settings.scopes)), self._seal)

    def _mask(self, token: str) -> None:
        if self._of_airflow:
            from airflow.sdk.log import mask_secret

            mask_secret(token)

    # ---- persons -----------------------------------------------------------------------------------------------------

    def persons(
        self,
        changed: tuple[dt.date, dt.date] | None = None,
        ids: Collection[str] | None = None,
        *,
        by: str = "",
        fields: PersonFields | None = None,
        resume: Resume | None = None,
    ) -> Iterator[PersonPage]:
        """Give persons in pages, each as soon as it is there: those changed, those with these ids, or everyone.

        ``changed`` is the first and the last day, both included; persons of a day before and after may come along. ``ids`` are
        looked up by the key ``by`` (the connection's person-id key if ''); an unknown id gives nobody. ``resume`` goes on with
        a reading of everyone. A person on two pages counts as on the later one.

        Nothing may be taken for whole before the last page has come. Raises BudgetSpent when only the reserve is left,
        CoachviewIncomplete when not everyone came, InputError for an id that cannot be asked for, and other CoachviewErrors.
        """
        if ids is not None and changed is not None:
            raise InputError(Sentence("coachview.ask.by_one"))
        reading = self._reading(fields or PersonFields())
        if ids is None:
            part = self._everything() if changed is None else widened(*changed)
            yield from reading.read(part, resume)
            return
        for some in lists_of_ids(by or self.settings.person_id_key, ids, self.settings.page_size):
            yield from reading.read(some)

    def count_persons(self, changed: tuple[dt.date, dt.date] | None = None) -> int:
        """Ask how many persons a reading would give, in one request; ``changed`` as in ``persons``."""
        part = self._everything() if changed is None else widened(*changed)
        return self._pages(PERSONS).count(part)

    def _reading(self, fields: PersonFields) -> PersonReading:
        reader, free = self._pages(PERSONS, fields), self._free(PERSONS, fields)
        return PersonReading(reader, free, fields, self.settings.person_id_key, self.today())

    def _free(self, endpoint: str, fields: PersonFields) -> FreeFields:
        settings = self.settings
        return FreeFields(
            fields.free,
            shape=settings.free_fields,
            public=settings.public_free_fields,
            ask=partial(self.confidential_fields, endpoint=endpoint),
        )

    def _pages(self, endpoint: str, fields: PersonFields | None = None) -> PageReader:
        settings = self.settings
        params = fields.params if fields else {}
        return PageReader(
            self.ask, ListOf(endpoint, params, settings.page_size, settings.window_rows, settings.parallel_requests)
        )

    def _everything(self) -> Everything:
        settings = self.settings
        return Everything(settings.first_day, self.today() + _AHEAD, by_windows=settings.full_read is FullRead.WINDOWS)

    def today(self) -> dt.date:
        """Give the day (UTC): asked before a reading, it is the first day of the next reading of changes."""
        return dt.datetime.fromtimestamp(self._now(), tz=dt.UTC).date()

    def confidential_fields(self, record: str, endpoint: str = PERSONS) -> dict[str, bool]:
        """Tell which of the free fields of one record (Coachview's ``id``) are confidential, by code in lower case.

        Raises a CoachviewError; that the endpoint is there for persons is likely, and known only for other kinds of record.
        """
        listing = self.ask(Ask(f"{endpoint}/{FREE_FIELDS}", {"where": f"recordId={record}"}, example_keys=()))
        return definitions({"vrijevelden": listing.rows})

    # ---- trainings ---------------------------------------------------------------------------------------------------

    def elearning_parts(self, reading: KeyedReading, form: str) -> Iterator[Row]:
        """Give the parts of trainings that are of a form, as ``reading`` (of :meth:`reading_by`) has its keys. Raises a CoachviewError."""
        return elearning_parts(self._keyed_pages(reading), reading, form)

    def enrolments(self, reading: KeyedReading, by: str, values: Collection[str]) -> Iterator[Row]:
        """Give who is enrolled where ``by`` (our name for a key) is one of these, several at a time. Raises a CoachviewError."""
        return enrolments(self._keyed_pages(reading), reading, by, values, self.settings.page_size)

    def sample(self, endpoint: str, keys: Mapping[str, str]) -> Listing:
        """Ask for a page of a list, whatever is on it, as a reading by these keys would. Raises a CoachviewError."""
        more = fields_of_keys(keys.values()).params
        return self.ask(Ask.page(endpoint, 0, self.settings.page_size, more=more))

    def reading_by(self, endpoint: str, keys: Mapping[str, str]) -> KeyedReading:
        """Begin a reading of a list by the keys (our name → key) that are wanted of its rows."""
        return KeyedReading(endpoint, keys, self._free(endpoint, fields_of_keys(keys.values())))

    def _keyed_pages(self, reading: KeyedReading) -> PageReader:
        return self._pages(reading.endpoint, fields_of_keys(reading.keys.values()))

    # ---- categories --------------------------------------------------------------------------------------------------

    def categories(self, ids: Collection[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Give each person's id (Coachview's ``id``) and the names of the categories the person is in.

        One request per person, or one for many where the connection says so; none where it says off. Raises a CoachviewError.
        """
        via = self.settings.categories_via
        if via is CategoriesVia.OFF:
            return
        if via is CategoriesVia.BATCHED:
            # Some are in several categories, and the answer must fit one page.
            for some in lists_of_ids("PersoonId", ids, max(1, self.settings.page_size // 2)):
                yield from self._categories_of_some(some)
            return
        persons = list(dict.fromkeys(ids))
        yield from zip(persons, ahead(self.categories_of, persons, self.settings.parallel_requests), strict=True)

    def categories_of(self, person: str) -> tuple[str, ...]:
        """Give the names of one person's categories, by Coachview's ``id``. Raises a CoachviewError."""
        listing = self.ask(Ask(CATEGORIES, {"PersoonId": person, "Count": True}, example_keys=("id", "naam")))
        if listing.count is not None and listing.count != len(listing.rows):
            raise CoachviewAnswerUnreadable(
                Sentence(
                    "coachview.categories.rows_missing", what=CATEGORIES, have=len(listing.rows), wanted=listing.count
                ),
                endpoint=CATEGORIES,
            )
        _check_whose(map(lowered, listing.rows), {person})
        return category_names(listing.rows, CATEGORIES)

    def _categories_of_some(self, some: Ids) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Ask for several persons at once, and for fewer where that is more than a page: no order is known to page by."""
        params: dict[str, str | int | bool] = {
            "PersoonId": ",".join(some.values),
            "take": self.settings.page_size,
            "Count": True,
        }
        listing = self.ask(Ask(CATEGORIES, params, example_keys=("id", "naam", _PERSON_OF_CATEGORY)))
        if some.is_divisible and (listing.count or 0) > len(listing.rows):
            for fewer in some.cut(2):
                yield from self._categories_of_some(fewer)
            return
        if listing.count != len(listing.rows):
            raise CoachviewAnswerUnreadable(
                Sentence(
                    "coachview.categories.rows_missing", what=CATEGORIES, have=len(listing.rows), wanted=listing.count
                ),
                endpoint=CATEGORIES,
            )
        rows: dict[str, list[dict[str, Any]]] = {person.lower(): [] for person in some.values}
        for row in map(lowered, listing.rows):
            _check_whose([row], some.values, demanded=True)
            rows[str(row[_PERSON_OF_CATEGORY]).lower()].append(row)
        for person in some.values:
            yield person, category_names(rows[person.lower()], CATEGORIES)

    def test_connection(self) -> tuple[bool, str]:
        """Say whether this connection is fit for a run, and what to mend where it is not."""
        from moodle_coupling.hooks.coachview.check import check_coachview
        from moodle_coupling.hooks.moodle.check import explain, is_fit

        try:
            findings = check_coachview(self)
        except CouplingError as error:
            return False, str(error)
        return is_fit(findings), explain(findings, settings.texts())


def _check_whose(rows: Iterable[dict[str, Any]], asked: Collection[str], *, demanded: bool = False) -> None:
    """Make sure that categories are of the persons asked for, where they say whose they are."""
    wanted = {person.lower() for person in asked}
    for row in rows:
        whose = str(row.get(_PERSON_OF_CATEGORY) or "").lower()
        if whose not in wanted and (whose or demanded):
            raise CoachviewRefused(
                Sentence("coachview.categories.strangers", what=CATEGORIES),
                endpoint=CATEGORIES,
            )
