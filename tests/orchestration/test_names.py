"""Names of DAGs lead to their environment and back."""

from __future__ import annotations

import pytest

from moodle_coupling.orchestration.names import environment_of, provision_id, reconcile_id


def test_there_and_back():
    assert provision_id("demo") == "moodle_provision__demo"
    assert reconcile_id("demo") == "moodle_reconcile__demo"
    assert environment_of(provision_id("demo")) == environment_of(reconcile_id("demo")) == "demo"


@pytest.mark.parametrize("dag_id", ["moodle_check_connection", "other", ""])
def test_a_dag_that_is_not_ours(dag_id):
    assert environment_of(dag_id) == ""
