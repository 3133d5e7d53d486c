"""Every Airflow component loads the plugin; only the API server may pay for the pages."""

from __future__ import annotations

import ast
import asyncio
import subprocess
import sys
from pathlib import Path

from moodle_coupling.web.lazy import LazyApp

ROOT = Path(__file__).resolve().parents[2]


def test_the_plugin_brings_nothing_along():
    code = (
        "import sys; sys.path.insert(0, 'plugins'); import airflow.plugins_manager; before = set(sys.modules); "
        "import moodle_coupling.plugin; print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    mine = {"moodle_coupling", "moodle_coupling.plugin", "moodle_coupling.web", "moodle_coupling.web.lazy"}
    assert set(ast.literal_eval(done.stdout.splitlines()[-1])) <= mine


def test_the_app_is_made_once():
    lazy = LazyApp()
    assert lazy.made() is lazy.made()


def test_a_socket_is_refused():
    said = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        said.append(message)

    asyncio.run(LazyApp()({"type": "websocket", "path": "/", "headers": []}, receive, send))
    assert said == [{"type": "websocket.close", "code": 1008}]
