"""Registers the coupling with Airflow; nothing else.

Airflow finds this file in two ways: through the installed distribution's ``airflow.plugins`` entry point, and by scanning
the plugins folder of a clone (as a module named ``plugin``). A plugin registered twice is reported as an import error, so
the folder's copy stays silent when the distribution is installed (seen in Airflow 3.3).
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any, Final

from airflow.plugins_manager import AirflowPlugin

from moodle_coupling.web.lazy import LazyApp

_ICONS: Final = {"icon": "moodle/static/icon.svg", "icon_dark_mode": "moodle/static/icon-dark.svg"}


def _view(name: str, route: str, href: str, destination: str = "nav", **more: Any) -> dict[str, Any]:
    """Give one view; ``href`` has no leading slash, so that it holds wherever Airflow is mounted."""
    return {"name": name, "url_route": route, "href": f"moodle/{href}", "destination": destination, **_ICONS, **more}


_APPS: Final = [{"app": LazyApp(), "url_prefix": "/moodle", "name": "Moodle coupling"}]
# Airflow shows views of a DAG or a run on every DAG; on one that is not ours the page says so.
_VIEWS: Final = [
    _view("Moodle", "moodle-environments", "", nav_top_level=True),
    _view("Moodle mismatches", "moodle-mismatches", "mismatches", category="Moodle"),
    _view("Moodle people", "moodle-people", "people", category="Moodle"),
    _view("Moodle mismatches", "moodle-dag-mismatches", "mismatches?dag_id={DAG_ID}", "dag"),
    _view("Moodle runs", "moodle-dag-runs", "runs?dag_id={DAG_ID}", "dag"),
    _view("Moodle report", "moodle-run-report", "runs/of?dag_id={DAG_ID}&run_id={RUN_ID}", "dag_run"),
]

if __name__ == "moodle_coupling.plugin" or not entry_points(group="airflow.plugins", name="moodle_coupling"):

    class MoodleCouplingPlugin(AirflowPlugin):
        """The Moodle coupling."""

        name = "moodle_coupling"
        fastapi_apps = _APPS
        external_views = _VIEWS
