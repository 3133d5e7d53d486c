"""Coachview as a source, over real HTTP: what is read of a person, what never is, and a budget that is spent."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from moodle_coupling.contract.columns import INACTIVE_UNREAD
from moodle_coupling.errors import (
    BudgetSpent,
    CoachviewIncomplete,
    CoachviewScopeMissing,
    CoachviewUnavailable,
    MappingError,
    SourceError,
)
from moodle_coupling.mapping import Mapping
from moodle_coupling.mapping.file import load_mapping
from moodle_coupling.sandbox.coachview import Fault, FaultKind, running_coachview
from moodle_coupling.sources.coachview.source import KEPT_FOR
from moodle_coupling.sources.contract import Mode, Wanted
from moodle_coupling.sources.kinds import open_source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from moodle_coupling.sandbox.coachview import SandboxCoachview
    from moodle_coupling.sources.contract import Source

COUNT = 25
LONG_AGO = {"gewijzigdDatumTijd": "2024-02-01T12:00:00"}


def guid(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def person(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": guid(number),
        "achternaam": f"Achter{number}",
        "voornaam": f"Voor{number}",
        "externId": f"E{number}",
        "externSource": "AFAS",
        "email1": f"zakelijk{number}@example.org",
        "email2": f"prive{number}@example.org",
        "auditTrail": LONG_AGO,
        "vrijevelden": {"Vrijveld1": f"Groep {number}", "VrijveldNotitie": "Vertrouwelijk"},
        "categorieen": ["Cursist", "Docent"] if number % 2 else ["Cursist"],
        **more,
    }


@pytest.fixture
def site() -> Iterator[SandboxCoachview]:
    with running_coachview(people=map(person, range(1, COUNT + 1))) as running:
        yield running


class Drawer:
    """Keeps frames as a run's folder does."""

    def __init__(self) -> None:
        self.frames: dict[str, pd.DataFrame] = {}

    def has(self, name: str) -> bool:
        return name in self.frames

    def put(self, name: str, frame: pd.DataFrame) -> None:
        self.frames[name] = frame.copy()

    def get(self, name: str) -> pd.DataFrame:
        return self.frames[name]


@pytest.fixture
def source(site: SandboxCoachview, connect: Any, tmp_path: Path) -> Any:
    def opened(extra: dict[str, Any] | None = None, **said: Any) -> Source:
        settings = {"allow_http": True, "page_size": 10, "parallel_requests": 1} | (extra or {})
        connect("cv", "coachview", host=site.url, login=site.client_id, password=site.client_secret, extra=settings)
        return open_source(mapping(**said), tmp_path)

    return opened


def mapping(**said: Any) -> Mapping:
    return Mapping.model_validate(
        {
            "environment": "demo",
            "connection": "moodle_demo",
            "idnumber": "person_id",
            "source": {"type": "coachview", "connection": "cv"} | said,
        }
    )


def asked(site: SandboxCoachview, endpoint: str = "Personen") -> int:
    return Counter(call.endpoint for call in site.calls.all())[endpoint]


def ids(frame: pd.DataFrame) -> set[str]:
    return set(frame["person_id"])


class TestWhatIsRead:
    def test_a_person_stands_in_our_columns(self, source):
        extract = source().extract(Wanted())
        one = extract.persons[extract.persons["person_id"] == guid(3)].iloc[0]
        assert (one["extern_id"], one["extern_source"], one["email2"]) == ("E3", "AFAS", "prive3@example.org")
        assert (one["free1"], one["categories"], one["institution"]) == ("", "", "")
        assert "institution" not in extract.headings
        assert extract.headings["city"] == "adres.plaats"

    def test_columns_name_keys_and_free_fields(self, source, site):
        site.people.change(guid(3), {"adres": {"postcode": "3511 AA"}, "extraVelden": {"bedrijf": "Zorggroep"}})
        said = {"free1": "Vrijveld1", "department": "adres.postcode", "institution": "extraVelden.bedrijf"}
        extract = source(columns=said | {"email1": "email2"}).extract(Wanted())
        one = extract.persons[extract.persons["person_id"] == guid(3)].iloc[0]
        assert (one["free1"], one["department"], one["institution"]) == ("Groep 3", "3511 AA", "Zorggroep")
        assert one["email1"] == "prive3@example.org"
        assert not extract.warnings

    def test_a_key_that_nobody_has_is_told(self, source):
        (warning,) = source(columns={"department": "afdelingsnaam"}).extract(Wanted()).warnings
        assert "source.columns.department" in str(warning)
        assert "'afdelingsnaam'" in str(warning)

    def test_who_has_left_is_inactive(self, source, site):
        site.people.deactivate([guid(2)])
        persons = source().extract(Wanted()).persons
        assert ids(persons[persons["inactive"]]) == {guid(2)}
        assert INACTIVE_UNREAD not in persons.columns

    def test_categories_are_read_where_the_mapping_says_so(self, source, site):
        extract = source(categories=True).extract(Wanted())
        found = dict(zip(extract.persons["person_id"], extract.persons["categories"], strict=True))
        assert (found[guid(1)], found[guid(2)]) == ("Cursist|Docent", "Cursist")
        assert asked(site, "Persoonscategorieen") == COUNT

    def test_other_extern_sources_do_not_count(self, source, site):
        site.people.change(guid(2), {"externSource": "Magister"})
        persons = source(extern_sources=["afas"]).extract(Wanted()).persons
        two = persons[persons["person_id"] == guid(2)].iloc[0]
        assert (two["extern_id"], two["extern_source"]) == ("", "")
        assert (persons["extern_id"] != "").sum() == COUNT - 1

    def test_the_same_extern_id_of_two_sources_stays_two_persons(self, source, site):
        site.people.change(guid(2), {"externId": "E3", "externSource": "Magister"})
        persons = source().extract(Wanted()).persons
        assert ids(persons[persons["extern_id"] == "E3"]) == {guid(2), guid(3)}


class TestWhatIsNeverRead:
    @pytest.mark.parametrize("shape", ["list", "object", "top_level"])
    def test_a_confidential_field(self, source, site, shape):
        site.settings.change({"free_fields": shape})
        with pytest.raises(SourceError) as caught:
            source(columns={"free2": "VrijveldNotitie"}).extract(Wanted())
        assert "source.columns.free2 (VrijveldNotitie)" in str(caught.value)
        assert "vertrouwelijk" in str(caught.value)

    def test_what_nobody_asked_for(self, source):
        frame = source(columns={"free1": "Vrijveld1"}).extract(Wanted()).persons
        assert "Vertrouwelijk" not in frame.to_csv()

    def test_categories_where_the_connection_says_off(self, source):
        with pytest.raises(SourceError, match="categories_via"):
            source({"categories_via": "off"}, categories=True).extract(Wanted())


class TestOnlyWhatChanged:
    def test_one_request_for_a_few(self, source, site):
        opened = source()
        known = opened.extract(Wanted())
        site.people.change(guid(5), {"achternaam": "Anders"})
        before = asked(site)
        found = opened.extract(Wanted(Mode.CHANGED, known.watermark))
        assert list(found.persons["lastname"]) == ["Anders"]
        assert asked(site) - before == 1

    @pytest.mark.parametrize("extra", [{"person_id_key": "geboorteplaats"}, {"host": "elsewhere"}])
    def test_another_coachview_or_another_key_means_everyone(self, source, site, connect, extra):
        for number in range(1, COUNT + 1):
            site.people.change(guid(number), {"geboorteplaats": f"P{number}", "auditTrail": LONG_AGO})
        known = source().extract(Wanted())
        if "host" in extra:
            url = site.url.replace("127.0.0.1", "localhost")
            opened = source()
            connect(
                "cv",
                "coachview",
                host=url,
                login=site.client_id,
                password=site.client_secret,
                extra={"allow_http": True, "page_size": 10},
            )
        else:
            opened = source(extra)
        assert opened.extract(Wanted(Mode.CHANGED, known.watermark)).complete

    def test_a_changed_read_whose_budget_is_spent_gives_who_came_and_keeps_its_day(self, source, site):
        opened = source({"daily_budget": 100, "budget_reserve": 10}, categories=True)
        known = opened.extract(Wanted())
        for number in range(1, 11):
            site.people.change(guid(number), {"achternaam": "Anders"})
        site.faults.add(Fault(FaultKind.QUOTA, endpoint="Persoonscategorieen", skip=4))
        found = opened.extract(Wanted(Mode.CHANGED, known.watermark))
        assert not found.complete
        assert len(found.persons) == 4
        assert set(found.persons["categories"]) <= {"Cursist", "Cursist|Docent"}
        assert found.watermark == known.watermark
        assert "Not everyone who changed was read: 4 persons" in str(found.warnings[0])
        assert "Anders" not in str(found.warnings[0])

    def test_when_nobody_came_the_budget_is_the_error(self, source, site):
        opened = source()
        known = opened.extract(Wanted())
        site.budget.use(5000)
        with pytest.raises(BudgetSpent) as caught:
            opened.extract(Wanted(Mode.CHANGED, known.watermark))
        assert caught.value.resets is not None
        assert "connection 'cv'" in str(caught.value)


class TestSome:
    def test_by_either_id_and_into_the_reserve(self, source, site):
        opened = source({"daily_budget": 30, "budget_reserve": 29})
        found = opened.extract(Wanted(Mode.IDS, ids=(guid(1), "E2", "nobody")))
        assert ids(found.persons) == {guid(1), guid(2)}
        assert asked(site) <= 3

    def test_what_is_no_guid_is_not_asked_for_as_one(self, source, site):
        assert ids(source().extract(Wanted(Mode.IDS, ids=("E2",))).persons) == {guid(2)}
        assert [call.params["where"] for call in site.calls.all() if "where" in call.params] == ["externId=E2"]


class TestEveryoneOverTwoDays:
    def test_goes_on_where_the_budget_ended(self, source, site):
        opened = source(categories=True)
        drawer = Drawer()
        site.faults.add(Fault(FaultKind.QUOTA, endpoint="Persoonscategorieen", skip=9))
        with pytest.raises(BudgetSpent):
            opened.extract(Wanted(keep=drawer))
        site.faults.clear()
        new_day(site)
        site.people.change(guid(3), {"achternaam": "Getrouwd"})
        before = asked(site, "Persoonscategorieen")
        whole = source(categories=True).extract(Wanted(keep=drawer))
        assert ids(whole.persons) == {guid(number) for number in range(1, COUNT + 1)}
        assert "Getrouwd" in set(whole.persons["lastname"])
        assert (whole.persons["categories"] != "").all()
        assert asked(site, "Persoonscategorieen") - before < COUNT
        again = source(categories=True).extract(Wanted(keep=drawer))
        assert ids(again.persons) == ids(whole.persons)

    def test_goes_on_after_the_last_whole_days(self, source, site):
        days = {number: f"2024-{1 + number % 3:02}-{1 + number % 28:02}T12:00:00" for number in range(100, 350)}
        site.people.add(person(number, auditTrail={"gewijzigdDatumTijd": day}) for number, day in days.items())
        extra = {"window_rows": 100, "first_day": "2024-01-01"}
        opened, drawer = source(extra), Drawer()
        site.faults.add(Fault(FaultKind.QUOTA, endpoint="Personen", skip=20))
        with pytest.raises(BudgetSpent):
            opened.extract(Wanted(keep=drawer))
        (kept,) = drawer.frames.values()
        assert 0 < len(kept) < COUNT + 250
        site.faults.clear()
        new_day(site)
        site.calls.clear()
        whole = opened.extract(Wanted(keep=drawer))
        gone_on = asked(site)
        site.calls.clear()
        anew = opened.extract(Wanted(keep=drawer))
        assert ids(whole.persons) == ids(anew.persons)
        assert len(whole.persons) == COUNT + 250
        assert gone_on < asked(site)

    def test_a_whole_reading_is_never_gone_on_with(self, source, site):
        drawer = Drawer()
        site.faults.add(Fault(FaultKind.QUOTA, endpoint="Persoonscategorieen", skip=9))
        with pytest.raises(BudgetSpent):
            source(categories=True).extract(Wanted(keep=drawer))
        site.faults.clear()
        new_day(site)
        source(categories=True).extract(Wanted(keep=drawer))
        assert all(frame.empty for frame in drawer.frames.values())

    def test_nothing_is_kept_of_a_reading_of_other_settings(self, source, site):
        drawer = Drawer()
        site.faults.add(Fault(FaultKind.QUOTA, endpoint="Persoonscategorieen", skip=9))
        with pytest.raises(BudgetSpent):
            source(categories=True).extract(Wanted(keep=drawer))
        (kept,) = drawer.frames.values()
        assert len(kept) == COUNT
        site.faults.clear()
        new_day(site)
        site.people.remove([guid(1)])
        whole = source(columns={"free1": "Vrijveld1"}).extract(Wanted(keep=drawer))
        assert len(whole.persons) == COUNT - 1
        assert (whole.persons["free1"] != "").all()

    def test_old_progress_does_not_count(self, source, site):
        drawer = Drawer()
        site.faults.add(Fault(FaultKind.QUOTA, endpoint="Persoonscategorieen", skip=9))
        opened = source(categories=True)
        with pytest.raises(BudgetSpent):
            opened.extract(Wanted(keep=drawer))
        ((name, kept),) = drawer.frames.items()
        day = pd.Timestamp(kept["day"].iloc[0]) - KEPT_FOR - pd.Timedelta(days=1)
        drawer.put(name, kept.assign(day=day.date().isoformat()))
        site.faults.clear()
        new_day(site)
        before = asked(site, "Persoonscategorieen")
        opened.extract(Wanted(keep=drawer))
        assert asked(site, "Persoonscategorieen") - before == COUNT


def new_day(site: SandboxCoachview) -> None:
    """Let Coachview forget the requests of the day; each reading here counts its own."""
    site.budget.renew()


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            (Fault(FaultKind.SHORT_PAGE), CoachviewIncomplete),
            (Fault(FaultKind.WRONG_ROW_COUNT, rows=3), CoachviewIncomplete),
            (Fault(FaultKind.DUPLICATE_ROW), CoachviewIncomplete),
        ],
    )
    def test_half_a_reading_is_an_error_of_this_source(self, source, site, fault, error):
        opened = source()
        site.faults.add(fault)
        with pytest.raises(error) as caught:
            opened.extract(Wanted())
        assert str(caught.value).startswith("Coachview of connection 'cv': ")

    def test_a_missing_scope_is_named(self, source, site):
        site.settings.change({"scopes": ["api"]})
        with pytest.raises(CoachviewScopeMissing, match=r"Personen\.Lezen"):
            source().extract(Wanted())

    def test_an_outage_keeps_what_came(self, source, site, monkeypatch):
        monkeypatch.setattr("tenacity.nap.time.sleep", lambda _seconds: None)
        drawer = Drawer()
        opened = source(categories=True)
        site.faults.add(Fault(FaultKind("503"), endpoint="Persoonscategorieen", skip=9))
        monkeypatch.setattr("moodle_coupling.hooks.coachview.hook.time.sleep", lambda _seconds: None)
        with pytest.raises(CoachviewUnavailable):
            opened.extract(Wanted(keep=drawer))
        (kept,) = drawer.frames.values()
        assert (kept["categories"] != "").sum() == 9


class TestSettings:
    @pytest.mark.parametrize(
        ("said", "problem"),
        [
            ({"columns": {"person_id": "nummer"}}, "person_id_key"),
            ({"columns": {"categories": "categorieen"}}, r"source\.categories: true"),
            ({"columns": {"free1": "Vrij veld 1"}}, "no key of a person"),
            ({"connection": ""}, "connection"),
        ],
    )
    def test_a_wrong_one_is_refused_with_what_to_say(self, said, problem):
        with pytest.raises(ValueError, match=problem):
            mapping(**said)

    def test_a_column_that_coachview_does_not_bring_is_an_error_of_the_file(self, tmp_path):
        path = tmp_path / "demo.yaml"
        path.write_text(
            "environment: demo\nconnection: moodle_demo\nidnumber: person_id\n"
            "source: {type: coachview, connection: cv}\n"
            "fields: {department: {column: department}}\n"
            "scope: {include: [{column: categories, contains: Docent}]}\n"
        )
        with pytest.raises(MappingError) as caught:
            load_mapping(path)
        said = str(caught.value)
        assert "source.columns.department" in said
        assert "source.categories is true" in said


def test_no_secret_and_nobody_in_what_is_remembered(source, site):
    extract = source(columns={"free1": "Vrijveld1"}, categories=True).extract(Wanted())
    said = json.dumps([extract.watermark, dict(extract.notes), [one.written() for one in extract.warnings]])
    assert site.client_secret not in said
    assert "Achter" not in said
