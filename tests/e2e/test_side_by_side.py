"""Several environments in one Airflow: a Moodle that hangs delays its own run and nobody else's."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from localairflow import LocalAirflow, free_port
from orchestration.coupling import HEADINGS, MAPPING

from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator

HUNG, OTHERS = "hung", ("one", "two")
PEOPLE = 20


@pytest.fixture(scope="module")
def moodles() -> Iterator[dict[str, SandboxMoodle]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(running_moodle()) for name in (HUNG, *OTHERS)}


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory, moodles: dict[str, SandboxMoodle]) -> Iterator[LocalAirflow]:
    home = tmp_path_factory.mktemp("airflow")
    mappings = home / "mappings"
    mappings.mkdir()
    people = [(str(n), f"CV-{n}", f"Voor{n}", "", "Naam", f"p{n}@example.org", "Ede") for n in range(PEOPLE)]
    (mappings / "persons.csv").write_text("\n".join(";".join(row) for row in (HEADINGS, *people)))
    settings = {
        "AIRFLOW__CORE__PARALLELISM": "2",  # a slot for what hangs, and one for all others
        "AIRFLOW__MOODLE_COUPLING__MAPPINGS_FOLDER": str(mappings),
    }
    local = LocalAirflow(home, free_port(), settings)
    for name in moodles:
        (mappings / f"{name}.yaml").write_text(MAPPING.format(name=name))
    try:
        local.start()
        for name, moodle in moodles.items():
            local.put_connection(f"moodle_{name}", conn_type="moodle", host=moodle.url, password=moodle.token)
            local.put_pool(f"moodle__{name}", 1)
            local.wait_for_dag(f"moodle_reconcile__{name}")
        yield local
    finally:
        local.stop()


def test_a_moodle_that_hangs_delays_only_itself(airflow: LocalAirflow, moodles: dict[str, SandboxMoodle]) -> None:
    moodles[HUNG].faults.add("hold")
    hung = f"moodle_reconcile__{HUNG}"
    waiting = airflow.trigger(hung)["dag_run_id"]
    airflow.wait_for_state(hung, waiting, "plan", {"running"})
    runs = {name: airflow.trigger(f"moodle_reconcile__{name}")["dag_run_id"] for name in OTHERS}
    for name, run_id in runs.items():
        assert airflow.wait_for_run(f"moodle_reconcile__{name}", run_id)["state"] == "success"
        assert sum(account["idnumber"].startswith("CV-") for account in moodles[name].accounts()) == PEOPLE
    assert airflow.states(hung, waiting)["plan"] in (["running"], ["up_for_reschedule"])
    assert not any(account["idnumber"] for account in moodles[HUNG].accounts())

    moodles[HUNG].faults.clear()
    cleared = time.monotonic()
    assert airflow.wait_for_run(hung, waiting)["state"] == "success"
    assert time.monotonic() - cleared < 300
    assert sum(account["idnumber"].startswith("CV-") for account in moodles[HUNG].accounts()) == PEOPLE
