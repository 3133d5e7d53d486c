"""The views in Airflow's UI: taken by Airflow as they are, and each leads to a page that is there."""

from __future__ import annotations

import re

import pytest
from airflow.api_fastapi.core_api.datamodels.plugins import ExternalViewResponse
from starlette.routing import Match
from web.test_rights import CATCH_ALL

from moodle_coupling import plugin

VIEWS = [pytest.param(view, id=view["url_route"]) for view in plugin.MoodleCouplingPlugin.external_views]


def test_each_has_an_address_of_its_own():
    routes = [view.values[0]["url_route"] for view in VIEWS]
    assert len(routes) == len(set(routes))


@pytest.mark.parametrize("view", VIEWS)
class TestEachView:
    def test_airflow_takes_it(self, view):
        taken = ExternalViewResponse.model_validate(view)
        assert not taken.href.startswith("/"), "it must hold where Airflow is mounted at a path"

    def test_it_leads_to_a_page(self, view, app):
        path = view["href"].removeprefix("moodle").split("?")[0]
        scope = {"type": "http", "method": "GET", "path": path, "headers": []}
        (first, *_) = [route.path for route in app.routes if route.matches(scope)[0] is Match.FULL]
        assert first != CATCH_ALL

    def test_it_asks_for_what_airflow_fills_in(self, view):
        filled = {"nav": set(), "dag": {"DAG_ID"}, "dag_run": {"DAG_ID", "RUN_ID"}}
        assert set(re.findall(r"{(\w+)}", view["href"])) == filled[view["destination"]]

    def test_its_icons_are_there(self, view, visit):
        for name in ("icon", "icon_dark_mode"):
            assert visit("").get(view[name].removeprefix("moodle")).headers["content-type"] == "image/svg+xml"
