"""Registers the coupling with Airflow; nothing else.

Airflow finds this file in two ways: through the installed distribution's ``airflow.plugins`` entry point, and by scanning
the plugins folder of a clone (as a module named ``plugin``). A plugin registered twice is reported as an import error, so
the folder's copy stays silent when the distribution is installed (seen in Airflow 3.3).
"""

from __future__ import annotations

from importlib.metadata import entry_points

from airflow.plugins_manager import AirflowPlugin

if __name__ == "moodle_coupling.plugin" or not entry_points(group="airflow.plugins", name="moodle_coupling"):

    class MoodleCouplingPlugin(AirflowPlugin):
        """The Moodle coupling."""

        name = "moodle_coupling"
