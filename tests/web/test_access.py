"""Our rights in the permissions of Airflow's auth manager, environment by environment."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import Any

import pytest
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.models.dag import DagModel
from airflow.models.variable import Variable
from fastapi import HTTPException

from moodle_coupling.ledger.activity import note
from moodle_coupling.settings import ViewersSee, viewers_see
from moodle_coupling.web.base import access as room
from moodle_coupling.web.base.access import MASK, Access, Right

Asked = tuple[str, str, DagAccessEntity | None]


@dataclass
class Manager:
    """An auth manager that grants what it is told to, and keeps what it was asked."""

    dags: set[Asked] = field(default_factory=set)
    variables: set[tuple[str, str]] = field(default_factory=set)
    asked: list[Any] = field(default_factory=list)
    teams: list[str | None] = field(default_factory=list)

    def is_authorized_dag(self, *, method, access_entity, details, user):
        self.asked.append((method, details.id, access_entity))
        self.teams.append(details.team_name)
        return (method, details.id, access_entity) in self.dags

    def is_authorized_variable(self, *, method, details, user):
        self.asked.append((method, details.key))
        self.teams.append(details.team_name)
        return (method, details.key) in self.variables


class Anna:
    def get_id(self):
        return "7"

    def get_name(self):
        return "Anna de Vries"


READS: Asked = ("GET", "moodle_provision__demo", None)
DECIDES: Asked = ("PUT", "moodle_reconcile__demo", DagAccessEntity.HITL_DETAIL)
RUNS: Asked = ("POST", "moodle_reconcile__demo", DagAccessEntity.RUN)
OPERATES = ("PUT", "moodle_coupling_paused__moodle_demo")


@pytest.fixture
def access(monkeypatch, mappings):
    shutil.copy(mappings / "demo.yaml", mappings / "other.yaml")
    other = mappings / "other.yaml"
    other.write_text(
        other.read_text().replace("environment: demo", "environment: other").replace("moodle_demo", "moodle_other")
    )

    def made(*dags, variables=()):
        manager = Manager(set(dags), set(variables))
        monkeypatch.setattr(room, "auth_manager", lambda: manager)
        found = Access(Anna())
        found.manager = manager
        return found

    return made


@pytest.fixture
def option(monkeypatch):
    return lambda value: monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__VIEWERS_SEE", value)


class TestRights:
    @pytest.mark.parametrize(("granted", "right"), [(DECIDES, Right.DECIDE), (RUNS, Right.RUN)], ids=["decide", "run"])
    def test_each_is_one_permission_on_one_environment(self, access, granted, right):
        may = access(READS, granted)
        assert may.may(right, "demo")
        assert may.may(str(right), "demo")
        others = {Right.DECIDE, Right.RUN, Right.OPERATE} - {right}
        assert not any(may.may(other, "demo") for other in others)
        assert not may.may(right, "other")

    def test_to_operate_is_to_write_the_pause_variable(self, access):
        may = access(READS, variables=[OPERATES])
        assert may.may(Right.OPERATE, "demo")
        assert not may.may(Right.RUN, "demo")
        assert not may.may(Right.OPERATE, "other")

    @pytest.mark.parametrize("right", list(Right))
    def test_none_is_worth_a_thing_where_one_may_not_read(self, access, right):
        may = access(DECIDES, RUNS, variables=[OPERATES])
        assert not may.may(right, "demo")
        with pytest.raises(HTTPException) as stop:
            may.require(right, "demo")
        assert stop.value.status_code == 404

    def test_without_the_right_it_is_forbidden(self, access):
        with pytest.raises(HTTPException) as stop:
            access(READS).require(Right.DECIDE, "demo")
        assert stop.value.status_code == 403

    @pytest.mark.parametrize("name", ["nowhere", "", "../demo", "demo.yaml", "DEMO"])
    def test_what_is_not_there_is_not_found(self, access, name):
        may = access(READS, ("GET", f"moodle_provision__{name}", None))
        assert not may.may(Right.READ, name)
        with pytest.raises(HTTPException) as stop:
            may.require(Right.READ, name)
        assert stop.value.status_code == 404

    def test_one_sees_the_environments_one_may_read(self, access):
        assert access(READS).environments() == ["demo"]
        assert access(READS, ("GET", "moodle_provision__other", None)).environments() == ["demo", "other"]
        assert access().environments() == []

    def test_the_auth_manager_is_asked_once_a_question(self, access):
        may = access(READS, DECIDES)
        for _ in range(3):
            may.may(Right.DECIDE, "demo")
            may.sees_names("demo")
            may.environments()
        assert len(may.manager.asked) == len(set(may.manager.asked))


class TestNames:
    def test_who_decides_sees_names(self, access):
        may = access(READS, DECIDES)
        assert may.sees_names("demo")
        assert may.mask("demo")("Jansen") == "Jansen"

    def test_who_reads_sees_numbers(self, access):
        mask = access(READS).mask("demo")
        assert mask("Jansen") == MASK
        assert mask("") == ""

    def test_who_runs_and_operates_sees_numbers(self, access):
        assert not access(READS, RUNS, variables=[OPERATES]).sees_names("demo")

    def test_who_reads_sees_names_where_the_option_says_so(self, access, option):
        option("names")
        assert access(READS).sees_names("demo")
        assert not access().sees_names("demo")

    def test_nothing_is_for_those_who_may_do_something(self, access, option):
        option("nothing")
        nobody, operator = access(READS), access(READS, variables=[OPERATES])
        assert operator.may(Right.READ, "demo")
        assert not operator.sees_names("demo")
        nobody = access(READS)
        with pytest.raises(HTTPException) as stop:
            nobody.require(Right.READ, "demo")
        assert stop.value.status_code == 403
        assert nobody.environments() == []

    @pytest.mark.parametrize(
        ("said", "meant"),
        [("names", ViewersSee.NAMES), (" Numbers ", ViewersSee.NUMBERS), ("nothing", ViewersSee.NOTHING)],
    )
    def test_the_option(self, option, said, meant):
        option(said)
        assert viewers_see() is meant

    @pytest.mark.parametrize("said", ["", "all", "name"])
    def test_a_word_it_does_not_have_is_the_strictest(self, option, said):
        option(said)
        assert viewers_see() is ViewersSee.NOTHING

    def test_without_a_word_it_is_numbers(self, migrated):
        assert viewers_see() is ViewersSee.NUMBERS


class TestOnThePages:
    def test_nothing_means_no_page_of_an_environment(self, visit, option):
        option("nothing")
        assert visit("viewer").get("/environments/demo").status_code == 403
        assert visit("user").get("/environments/demo").status_code == 200
        listed = visit("viewer").get("/")
        assert listed.status_code == 200
        assert "There is 1 environment that you may not see" in listed.text

    @pytest.mark.parametrize("path", ["/environments/nowhere", "/environments/%2e%2e", "/cards?only=nowhere"])
    def test_an_environment_that_is_not_there(self, visit, path):
        assert visit("admin").get(path).status_code == 404

    def test_people_in_the_mapping_file_are_masked_for_viewers(self, visit, mappings):
        path = mappings / "demo.yaml"
        path.write_text(path.read_text() + "\nnotify:\n  to: [anna@example.org]\n")
        assert "anna@example.org" not in visit("viewer").get("/environments/demo").text
        assert "anna@example.org" in visit("user").get("/environments/demo").text

    @pytest.mark.parametrize("action", ["protect", "something nobody foresaw"])
    def test_what_an_analyst_wrote_is_masked_for_viewers(self, visit, ledger, action):
        note(ledger, by="Bram", environment="demo", action=action, subject="account 7", detail="it is Jansen")
        note(ledger, by="Bram", environment="demo", action="pause", detail="Moodle upgrade")
        assert "it is Jansen" not in visit("viewer").get("/environments/demo").text
        assert "Moodle upgrade" in visit("viewer").get("/environments/demo").text
        assert "it is Jansen" in visit("user").get("/environments/demo").text


class TestTeams:
    """``[core] multi_team``: an auth manager decides by team, so each question names the team of what it is about."""

    @pytest.fixture
    def owners(self, monkeypatch):
        monkeypatch.setenv("AIRFLOW__CORE__MULTI_TEAM", "True")
        of_dags, of_variables = {}, {}
        monkeypatch.setattr(DagModel, "get_team_name", staticmethod(of_dags.get))
        monkeypatch.setattr(Variable, "get_team_name", staticmethod(of_variables.get))
        return of_dags, of_variables

    def test_every_question_names_the_team_of_the_dag(self, access, owners):
        owners[0].update({"moodle_provision__demo": "north", "moodle_reconcile__demo": "north"})
        asks = access(READS)
        for right in Right:
            asks.may(right, "demo")
        assert set(asks.manager.teams) == {"north"}
        assert {one[1] for one in asks.manager.asked} == {READS[1], DECIDES[1], OPERATES[1]}

    def test_a_pause_variable_of_a_team_is_that_teams(self, access, owners):
        owners[0].update({"moodle_provision__demo": "north", "moodle_reconcile__demo": "north"})
        owners[1][OPERATES[1]] = "operators"
        asks = access(READS, variables=[OPERATES])
        assert asks.may(Right.OPERATE, "demo")
        assert asks.manager.teams[-1] == "operators"

    def test_without_teams_none_is_named(self, access, monkeypatch):
        monkeypatch.setenv("AIRFLOW__CORE__MULTI_TEAM", "False")
        asks = access(READS)
        asks.may(Right.OPERATE, "demo")
        assert set(asks.manager.teams) == {None}
