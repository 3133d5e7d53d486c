"""Coachview's REST API: from a request to its answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from moodle_coupling.sandbox.coachview.fields import FREE, Person, Rules
from moodle_coupling.sandbox.coachview.filters import raw_conditions, read_order, read_where
from moodle_coupling.sandbox.coachview.oauth import TokenServer, token_refused
from moodle_coupling.sandbox.coachview.people import ENROLMENTS, PARTS
from moodle_coupling.sandbox.coachview.refusals import Fault, FaultKind, Refusal, bad_request
from moodle_coupling.sandbox.coachview.rows import (
    Asked,
    Page,
    Row,
    Wanted,
    all_categories,
    category_rows,
    change_after,
    damaged,
    example_rows,
    page_of,
    person_row,
    record_row,
)
from moodle_coupling.sandbox.server import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from moodle_coupling.sandbox.coachview.people import People, Records
    from moodle_coupling.sandbox.coachview.settings import Budget, ServerSettings, Standing
    from moodle_coupling.sandbox.server import HttpRequest

TOKEN_PATH, TOKEN = "/auth/connect/token", "token"
_BASE = "/api/v1/"
PERSONS, FREE_FIELDS, CATEGORIES = "Personen", "Personen/Vrijevelden", "Persoonscategorieen"
ENROLMENT_FREE_FIELDS = f"{ENROLMENTS}/Vrijevelden"
_ENDPOINTS = {
    name.lower(): name for name in (PERSONS, FREE_FIELDS, CATEGORIES, PARTS, ENROLMENTS, ENROLMENT_FREE_FIELDS)
}
_JSON = "application/json; charset=utf-8"


def endpoint_of(path: str) -> str:
    """Return the endpoint of a path: ``token``, an endpoint's name, or '' for what there is not; letter case aside."""
    path = path.lower().rstrip("/")
    if path == TOKEN_PATH:
        return TOKEN
    return _ENDPOINTS.get(path.removeprefix(_BASE), "") if path.startswith(_BASE) else ""


@dataclass
class Call:
    """One request to the API: its endpoint, its query, the faults that strike it, and how much came of it."""

    endpoint: str
    asked: Asked
    faults: Sequence[Fault] = ()
    rows: int = 0
    skipped: int = 0

    def struck_by(self, kind: FaultKind) -> bool:
        """Return whether a fault of a kind strikes."""
        return any(fault.kind is kind for fault in self.faults)


def read_call(request: HttpRequest, faults: Sequence[Fault]) -> Call:
    """Return the call that a request is; of a parameter that is there twice the last one counts."""
    pairs = parse_qsl(request.query, keep_blank_values=True)
    return Call(endpoint_of(request.path), Asked({name.lower(): value for name, value in pairs}), faults)


class Api:
    """The token endpoint and the lists, over people, tokens and a budget."""

    def __init__(
        self,
        settings: ServerSettings,
        people: People,
        records: Mapping[str, Records],
        tokens: TokenServer,
        budget: Budget,
    ) -> None:
        self._settings = settings
        self._people = people
        self._records = records
        self._tokens = tokens
        self._budget = budget
        self._lists: dict[str, Callable[[Call], tuple[Page, Callable[[Any], Row]]]] = {
            PERSONS: self._persons,
            FREE_FIELDS: lambda call: self._free_fields(call, people.get),
            CATEGORIES: self._categories,
            **{name: partial(self._listed, records[name]) for name in records},
            ENROLMENT_FREE_FIELDS: lambda call: self._free_fields(call, records[ENROLMENTS].get),
        }

    def answer(self, call: Call, request: HttpRequest) -> Answer:
        """Return the answer to a request, refusals included; each tells how the limit stands."""
        counted = call.endpoint != TOKEN or self._settings.token_counts
        standing = self._budget.spend() if counted else self._budget.look()
        try:
            answer = self._within_limit(call, request, standing, counted=counted)
        except Refusal as refusal:
            answer = refusal.answer(self._settings.error_body)
        return Answer(
            answer.status, answer.content_type, answer.body, {**answer.headers, **self._budget.headers(standing)}
        )

    def _within_limit(self, call: Call, request: HttpRequest, standing: Standing, *, counted: bool) -> Answer:
        if call.struck_by(FaultKind.QUOTA) or (counted and self._budget.is_over(standing)):
            raise self._budget.refusal(standing)
        if call.struck_by(FaultKind.ERROR_500):
            raise Refusal(500, "An error occurred while processing your request.")
        if call.endpoint == TOKEN:
            return self._tokens.answer(request)
        scopes = self._tokens.scopes_of(request.headers.get("Authorization"))
        if call.struck_by(FaultKind.TOKEN_REFUSED):
            raise token_refused("The token is not known.")
        return self._list(call, request.method, scopes)

    def _list(self, call: Call, method: str, scopes: frozenset[str]) -> Answer:
        if not call.endpoint:
            raise Refusal(404, "There is no such endpoint.")
        if method != "GET":
            raise Refusal(405, "This list is only read.", {"Allow": "GET"})
        scope = f"{call.endpoint.partition('/')[0]}.Lezen"
        if "api" not in scopes or (scope not in scopes and self._settings.missing_scope == "forbidden"):
            raise Refusal(403, f"The scope {scope if 'api' in scopes else 'api'} is needed.")
        if scope not in scopes:
            rows = example_rows(call.endpoint, call.asked.number("take", self._settings.take_default, 1))
            return self._written(call, Page(rows, 0, len(rows)), rows)
        page, row = self._lists[call.endpoint](call)
        answer = self._written(call, page, [row(item) for item in page.rows])
        if call.endpoint == PERSONS:
            change_after(page, self._people, call.faults)
        return answer

    def _written(self, call: Call, page: Page, rows: list[Row]) -> Answer:
        call.rows, call.skipped = len(rows), page.skipped
        told = call.asked.yes("Count") and page.count is not None
        body = json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()
        return Answer(200, _JSON, body, {"RowCount": str(page.count)} if told else {})

    def _paged(self, call: Call, found: Sequence[Any], item: Callable[[Any], Any]) -> Page:
        on_page, skip, _ = page_of(found, call.asked, self._settings)
        page = Page([item(each) for each in on_page], skip, len(found))
        return damaged(page, item(found[skip - 1]) if 0 < skip <= len(found) else None, call.faults)

    # ---- the lists ---------------------------------------------------------------------------------------------------

    def _persons(self, call: Call) -> tuple[Page, Callable[[Person], Row]]:
        asked, rules, wanted, free_fields = call.asked, self._rules, self._wanted(call), self._people.free_fields
        conditions = read_where(asked.text("where"), rules) if self._settings.where_obeyed else ()
        snapshot = self._people.snapshot(rules)
        found = snapshot.find(conditions, read_order(asked.text("orderby")))
        return (
            self._paged(call, found, snapshot.people.__getitem__),
            lambda person: person_row(person, wanted, free_fields),
        )

    def _listed(self, records: Records, call: Call) -> tuple[Page, Callable[[Row], Row]]:
        asked, rules, wanted, free_fields = call.asked, self._rules, self._wanted(call), self._people.free_fields
        of = records.field_named
        conditions = read_where(asked.text("where"), rules, of) if self._settings.where_obeyed else ()
        snapshot, keys = records.snapshot(rules), records.keys
        found = snapshot.find(conditions, read_order(asked.text("orderby"), of))
        return (
            self._paged(call, found, snapshot.people.__getitem__),
            lambda row: record_row(row, wanted, free_fields, keys),
        )

    @property
    def _rules(self) -> Rules:
        settings = self._settings
        return Rules(
            settings.case_sensitive, settings.guid_order, settings.period_includes_end, settings.time_in_filter
        )

    def _wanted(self, call: Call) -> Wanted:
        return Wanted(
            free=call.asked.yes("InclusiefVrijevelden"),
            extra=call.asked.yes("InclusiefExtraVelden"),
            relations=call.asked.yes("InclusiefDirecteRelaties"),
            empty=self._settings.empty_values,
            free_shape=self._settings.free_fields,
        )

    def _free_fields(self, call: Call, get: Callable[[str], Row | None]) -> tuple[Page, Callable[[Row], Row]]:
        ids = _record_ids(call.asked.text("where"))
        records = [record for record in map(get, ids) if record]
        rows = [row for one in records for row in self._people.free_fields.with_definitions(one.get(FREE, {}))]
        return self._paged(call, rows, dict), dict

    def _categories(self, call: Call) -> tuple[Page, Callable[[Row], Row]]:
        several = self._settings.categories_of_several
        ids = [text.strip().lower() for text in call.asked.text("PersoonId").split(",") if text.strip()]
        if len(ids) > 1 and not several:
            raise bad_request("PersoonId is one GUID.")
        people = [person for person in map(self._people.get, ids) if person]
        rows = [row for person in people for row in category_rows(person, with_person=several)]
        return self._paged(call, rows if ids else all_categories(self._people.all()), dict), dict


def _record_ids(where: str) -> list[str]:
    """Return the ids of ``recordId=…``, the one filter that free fields take. Raises :class:`Refusal`."""
    conditions = raw_conditions(where)
    if len(conditions) != 1 or conditions[0][0].lower() != "recordid" or conditions[0][1] != "=":
        raise bad_request("Free fields are listed where recordId={id}.")
    return [value.lower() for value in conditions[0][2]]
