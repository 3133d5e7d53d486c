"""Addresses of pages, as a message names them: below Airflow's own address, in its frame."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from moodle_coupling import settings


def run(dag_id: str, run_id: str) -> str:
    """Give the page of a run's report."""
    return f"{settings.airflow_url()}/dags/{quote(dag_id)}/runs/{quote(run_id)}/plugin/moodle-run-report"


def plan(dag_id: str, run_id: str) -> str:
    """Give the page of a run's plan, row by row."""
    return f"{settings.airflow_url()}/moodle/runs/of?{urlencode({'dag_id': dag_id, 'run_id': run_id})}"


def environment(name: str) -> str:
    """Give the page of an environment."""
    return f"{settings.airflow_url()}/moodle/environments/{quote(name)}"


def mismatches(environment: str) -> str:
    """Give the list of an environment's mismatches."""
    return f"{settings.airflow_url()}/moodle/mismatches?{urlencode({'environment': environment})}"
