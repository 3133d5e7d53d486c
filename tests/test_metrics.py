"""The figures reach a collector: StatsD over UDP and OpenTelemetry over HTTP, each listening here; and docs name each of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from statsd_collector import Collector

from moodle_coupling import metrics
from moodle_coupling.errors import CouplingPaused, MoodleRefused, MoodleUnreachable
from moodle_coupling.hooks.moodle.connection import MoodleSettings
from moodle_coupling.hooks.moodle.hook import MoodleHook
from moodle_coupling.ledger.ledger import open_ledger
from moodle_coupling.ledger.runs import RunState, begin_run, end_run, get_run
from moodle_coupling.ledger.schema import upgrade
from moodle_coupling.metrics import METRICS, Kind, Metric
from moodle_coupling.orchestration.figures import count_outcomes, tell_figures
from moodle_coupling.sandbox.moodle import running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.ledger.ledger import Ledger

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"


@pytest.fixture
def statsd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Have this process send its statistics as a task of Airflow does, to a collector of its own."""
    collector = Collector()
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_HOST", "127.0.0.1")
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_PORT", str(collector.port))
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED", "True")
    with started():
        yield collector
    collector.close()


class started:  # noqa: N801 - it reads as what it does
    """Begin Airflow's statistics as its task runner does, and end them."""

    def __enter__(self) -> None:
        from airflow.sdk.observability import stats
        from airflow.sdk.observability.metrics import stats_utils

        stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)

    def __exit__(self, *_: object) -> None:
        from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger
        from airflow.sdk.observability import stats

        stats.initialize(factory=NoStatsLogger, export_legacy_names=False)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path}/ledger.db"
    upgrade(url)
    opened = open_ledger(url)
    yield opened
    opened.close()


def series(taken: list[tuple[str, dict[str, str], float, str]], metric: Metric) -> list[tuple[dict[str, str], float]]:
    return [(tags, value) for name, tags, value, _ in taken if name == f"airflow.{metric.name}"]


def test_every_figure_arrives_with_its_tags_in_the_way_of_its_kind(statsd: Collector) -> None:
    for metric in METRICS:
        tags = {name: f"a {name}" for name in metric.tags}
        {Kind.COUNTER: metric.add, Kind.GAUGE: metric.set, Kind.TIMER: metric.took}[metric.kind](3, **tags)
    came = {name: (tags, value, kind) for name, tags, value, kind in statsd.taken()}
    kinds = {Kind.COUNTER: (3.0, "c"), Kind.GAUGE: (3.0, "g"), Kind.TIMER: (3000.0, "ms")}
    assert came == {
        f"airflow.{one.name}": ({name: f"a_{name}" for name in one.tags}, *kinds[one.kind]) for one in METRICS
    }


def test_calls_to_a_moodle_are_counted_and_timed_and_so_are_its_refusals(statsd: Collector) -> None:
    with running_moodle() as moodle:
        settings = MoodleSettings("moodle_trial", moodle.url, moodle.token)
        with MoodleHook.from_settings(settings, sleep=lambda _: None) as hook:
            hook.site_info()
            hook.accounts_by_field("email", ["nobody@example.org"])
            with pytest.raises(MoodleRefused):
                hook.call("core_user_get_users_by_field", field="nonsense", values=["x"])
    taken = statsd.taken()
    calls = [(tags["function"], tags["result"]) for tags, _ in series(taken, metrics.CALLS)]
    assert calls == [
        ("core_webservice_get_site_info", "ok"),
        ("core_user_get_users_by_field", "ok"),
        ("core_user_get_users_by_field", "refused"),
    ]
    assert {tags["connection"] for tags, _ in series(taken, metrics.CALLS)} == {"moodle_trial"}
    durations = series(taken, metrics.CALL_DURATION)
    assert [(tags["function"], tags["result"]) for tags, _ in durations] == calls
    assert all(0 < milliseconds < 60_000 for _, milliseconds in durations)
    ((refusal, number),) = series(taken, metrics.REFUSALS)
    assert (refusal["system"], refusal["code"], number) == ("moodle", "codingerror", 1)
    assert moodle.token not in json.dumps(taken)


def test_a_moodle_that_is_away_is_a_failure_and_a_pause_is_no_call(statsd: Collector) -> None:
    settings = MoodleSettings("moodle_trial", "http://127.0.0.1:9", "token")

    def paused() -> None:
        raise CouplingPaused("moodle_trial", "upgrade")

    with MoodleHook.from_settings(settings, sleep=lambda _: None) as hook, pytest.raises(MoodleUnreachable):
        hook.call_once("core_webservice_get_site_info")
    with MoodleHook.from_settings(settings, guard=paused) as hook, pytest.raises(CouplingPaused):
        hook.call_once("core_webservice_get_site_info")
    taken = statsd.taken()
    assert [tags["result"] for tags, _ in series(taken, metrics.CALLS)] == ["failed"]
    assert [tags["code"] for tags, _ in series(taken, metrics.REFUSALS)] == ["MoodleUnreachable"]


def test_the_end_of_a_run_tells_how_it_ended_and_how_its_environment_is(statsd: Collector, ledger: Ledger) -> None:
    good = begin_run(ledger, "trial", "dag", "night1", mode="full")
    end_run(ledger, good.id, RunState.DONE, counts={})
    failed = begin_run(ledger, "trial", "dag", "night2", mode="full")
    end_run(ledger, failed.id, RunState.FAILED)
    tell_figures(ledger, get_run(ledger, failed.id))
    taken = statsd.taken()
    assert series(taken, metrics.RUNS) == [({"environment": "trial", "state": "failed"}, 1.0)]
    mismatches = series(taken, metrics.MISMATCHES)
    assert {value for _, value in mismatches} == {0.0}
    assert {"environment": "trial", "kind": "id_missing"} in [tags for tags, _ in mismatches]
    ((_, at),) = series(taken, metrics.LAST_GOOD_TIMESTAMP)
    ended = get_run(ledger, good.id).ended
    assert ended is not None
    assert at == pytest.approx(ended.timestamp(), abs=1)
    ((_, age),) = series(taken, metrics.LAST_GOOD_AGE)
    assert 0 <= age < 600


def test_accounts_count_when_they_are_on_record_and_by_what_was_done(statsd: Collector) -> None:
    actions = ["create", "create", "update", "create", "update"]
    count_outcomes("trial", actions, ["done", "done", "done", "rejected", "unknown"])
    taken = statsd.taken()
    assert series(taken, metrics.ACCOUNTS_WRITTEN) == [
        ({"environment": "trial", "action": "create"}, 2.0),
        ({"environment": "trial", "action": "update"}, 1.0),
    ]
    assert [tags["status"] for tags, _ in series(taken, metrics.PERSONS_NOT_WRITTEN)] == ["rejected", "unknown"]


def test_what_a_collector_does_never_stops_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise OSError(name)

    monkeypatch.setattr(metrics, "statistics", Broken)
    for metric in METRICS:
        metric.add(1, **dict.fromkeys(metric.tags, "x"))
        metric.set(1, **dict.fromkeys(metric.tags, "x"))
        metric.took(1, **dict.fromkeys(metric.tags, "x"))


def test_opentelemetry_gets_them_too() -> None:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    came: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # In a process of its own, as a task has one: OpenTelemetry's meters cannot be ended, and send to nobody afterwards.
    code = (
        "from airflow.sdk.observability import stats\n"
        "from airflow.sdk.observability.metrics import stats_utils\n"
        "from moodle_coupling import metrics\n"
        "stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)\n"
        "metrics.ACCOUNTS_WRITTEN.add(7, environment='trial', action='create')\n"
        "metrics.REQUESTS_LEFT.set(41, connection='coachview_trial')\n"
    )
    told = {
        "AIRFLOW__METRICS__OTEL_ON": "True",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"http://127.0.0.1:{server.server_port}/v1/metrics",
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        "PYTHONPATH": str(ROOT / "plugins"),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **told}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    server.shutdown()
    server.server_close()
    found = {}
    for body in came:
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    points = [*metric.sum.data_points, *metric.gauge.data_points]
                    found[metric.name] = [
                        ({one.key: one.value.string_value for one in point.attributes}, point.as_double or point.as_int)
                        for point in points
                    ]
    assert found[f"airflow.{metrics.ACCOUNTS_WRITTEN.name}"] == [({"environment": "trial", "action": "create"}, 7)]
    assert found[f"airflow.{metrics.REQUESTS_LEFT.name}"] == [({"connection": "coachview_trial"}, 41)]


# ---- what is documented ----


def in_prometheus(metric: Metric) -> str:
    return "airflow_" + metric.name.replace(".", "_")


def test_every_figure_is_documented_and_shown_on_the_dashboard() -> None:
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    dashboard = json.loads((DOCS / "monitoring" / "grafana-dashboard.json").read_text(encoding="utf-8"))
    asked = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", []))
    assert [one.name for one in METRICS if f"`{one.name}`" not in page] == []
    assert [one.name for one in METRICS if in_prometheus(one) not in asked] == []


def test_every_figure_is_sent_by_some_line_of_the_code() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "plugins").rglob("*.py"))
    names = {name for name, one in vars(metrics).items() if isinstance(one, Metric)}
    assert len(names) == len(METRICS)
    assert {name for name in names if not re.search(rf"\b{name}\.(add|set|took)\(", code)} == set()


def test_alerts_and_panels_ask_for_figures_and_tags_that_there_are() -> None:
    rules = yaml.safe_load((DOCS / "monitoring" / "alerts.yaml").read_text(encoding="utf-8"))
    dashboard = json.loads((DOCS / "monitoring" / "grafana-dashboard.json").read_text(encoding="utf-8"))
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    asked = [rule["expr"] for rule in alerts]
    asked += [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    lists = [one["query"]["query"] for one in dashboard["templating"]["list"] if one["type"] == "query"]
    known = {in_prometheus(one): set(one.tags) for one in METRICS}
    timers = [in_prometheus(one) for one in METRICS if one.kind is Kind.TIMER]
    known |= {f"{name}_{end}": known[name] for name in timers for end in ("sum", "count")}
    for list_ in lists:
        name, tag = re.fullmatch(r"label_values\((\w+), (\w+)\)", list_).groups()  # type: ignore[union-attr]
        assert tag in known[name], list_
    for expression in asked:
        names = set(re.findall(r"airflow_moodle_coupling\w+", expression))
        assert names, expression
        assert names <= known.keys(), expression
        tags = set.union(*(known[name] for name in names)) | {"le", "quantile", "job"}
        used = {one for group in re.findall(r"\b(?:by|on) ?\(([^)]*)\)", expression) for one in group.split(", ")}
        used |= set(re.findall(r"(\w+)(?:=~|!~|!=|=)\"", expression))
        assert used <= tags, expression
    assert all(rule["annotations"]["summary"] and rule["annotations"]["action"] for rule in alerts)
    assert len({rule["alert"] for rule in alerts}) == len(alerts)
