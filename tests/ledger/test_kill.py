"""A load that is killed (kill -9) anywhere: what the ledger says afterwards is true and complete."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from moodle_coupling.ledger.intentions import count_states, plan_intentions, unsettled
from moodle_coupling.ledger.outcomes import run_outcomes
from moodle_coupling.ledger.runs import begin_run

if TYPE_CHECKING:
    from moodle_coupling.ledger.ledger import Ledger

LOAD = """
import sys
import pandas as pd
from moodle_coupling.ledger.intentions import mark_sent, unsettled
from moodle_coupling.ledger.ledger import open_ledger
from moodle_coupling.ledger.outcomes import settle
ledger, run = open_ledger(sys.argv[1]), sys.argv[2]
waiting = unsettled(ledger, run)["key"].tolist()
for start in range(0, len(waiting), 10):
    keys = waiting[start : start + 10]
    mark_sent(ledger, run, keys, f"batch {start}")
    print("sent", *keys, flush=True)
    settle(ledger, run, pd.DataFrame({"row": [int(key) for key in keys], "status": "done"}))
    print("settled", *keys, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 2, 7])
def test_after_a_kill_every_row_is_planned_sent_or_settled_once(ledger: Ledger, url: str, lines: int) -> None:
    run = begin_run(ledger, "demo", "dag", "run", mode="full").id
    plan_intentions(ledger, run, [str(n) for n in range(2000)], digest="plan")
    command = [sys.executable, "-c", LOAD, url, run]
    env = {"PYTHONPATH": ":".join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as load:
        assert load.stdout is not None
        told = [load.stdout.readline() for _ in range(lines)]
        load.send_signal(signal.SIGKILL)
        told += load.stdout.read().splitlines()
    assert load.returncode == -signal.SIGKILL, told
    settled = {key for line in told for key in line.split()[1:] if line.startswith("settled")}
    sent = {key for line in told for key in line.split()[1:] if line.startswith("sent")}
    outcomes, waiting = run_outcomes(ledger, run), unsettled(ledger, run)
    assert not outcomes["key"].duplicated().any()
    assert settled <= set(outcomes["key"])
    assert sent <= set(outcomes["key"]) | set(waiting.loc[waiting["state"] == "sent", "key"])
    assert set(outcomes["key"]) | set(waiting["key"]) == {str(n) for n in range(2000)}
    assert set(outcomes["key"]) & set(waiting["key"]) == set()
    assert len(outcomes) % 10 == 0
    assert count_states(ledger, run)["sent"] in {0, 10}
