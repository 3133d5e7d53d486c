"""The rules of the house on who imports whom, read from the source and never by importing it."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "moodle_coupling"

WIRE_AND_SCHEDULER = frozenset(
    {
        "airflow",
        "requests",
        "http",
        "urllib",
        "urllib3",
        "httpx",
        "aiohttp",
        "socket",
        "sqlalchemy",
        "sqlite3",
        "alembic",
    }
)
HEAVY = frozenset({"pandas", "numpy", "pyarrow", "sqlalchemy"})
FRAMES = frozenset({"pandas", "numpy", "pyarrow"})
PURE = ("people", "matching")
TOP_ROOMS = ("orchestration", "web")
COMMANDS = frozenset({"plugin", "cli", "preview"})
"""Ways in, beside the rooms: like the top rooms they may import every room."""
PARSED_WITH_A_DAG = ("errors", "mapping", "mapping.model", "mapping.file", "provider_info", "orchestration.dags")
"""What a DAG file imports: parsed again and again by the DAG processor, so nothing heavy at module level."""


@dataclass(frozen=True)
class Imported:
    """One import: the dotted name as written, the line, and whether it runs when the module is imported."""

    name: str
    line: int
    at_module_level: bool
    relative: bool = False


def imports_of(source: str) -> list[Imported]:
    """Every import of a source text except those under ``if TYPE_CHECKING``."""
    return list(_imports(ast.parse(source), at_module_level=True))


def _imports(node: ast.AST, *, at_module_level: bool) -> Iterator[Imported]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Imported(alias.name, child.lineno, at_module_level)
        elif isinstance(child, ast.ImportFrom):
            for alias in child.names:
                yield Imported(f"{child.module or ''}.{alias.name}", child.lineno, at_module_level, child.level > 0)
        elif isinstance(child, ast.If) and _is_type_checking(child.test):
            for statement in child.orelse:
                yield from _imports(ast.Module([statement], []), at_module_level=at_module_level)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(child, at_module_level=at_module_level and not inside)


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


class House:
    """The package's modules by dotted name below the package ('' is the package itself), each with its imports."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self.modules = {name: imports_of(source) for name, source in sources.items()}

    @classmethod
    def on_disk(cls) -> House:
        package = ROOT / "plugins" / PACKAGE
        sources = {}
        for path in package.rglob("*.py"):
            parts = path.relative_to(package).with_suffix("").parts
            sources[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text("utf-8")
        return cls(sources)

    def ours(self, name: str) -> str | None:
        """Which of our modules a dotted name means; None when it is somebody else's."""
        if name != PACKAGE and not name.startswith(f"{PACKAGE}."):
            return None
        below = name.removeprefix(PACKAGE).removeprefix(".")
        while below and below not in self.modules:
            below = below.rpartition(".")[0]
        return below

    def reached(self, start: str, *, only_module_level: bool) -> dict[str, list[str]]:
        """Every foreign top-level package and every one of ours that a module leads to, with the way there."""
        ways: dict[str, list[str]] = {}
        waiting = [(name, [name or PACKAGE]) for name in _with_parents(start)]
        while waiting:
            module, way = waiting.pop()
            if module in ways:
                continue
            ways[module] = way
            for each in self.modules.get(module, ()):
                if only_module_level and not each.at_module_level:
                    continue
                target = self.ours(each.name)
                if target is None:
                    ways.setdefault(f"import {each.name.partition('.')[0]}", [*way, each.name])
                else:
                    waiting += [(name, [*way, name or PACKAGE]) for name in _with_parents(target)]
        return ways

    def room(self, name: str) -> str:
        return name.partition(".")[0]

    def problems(self) -> list[str]:
        return [
            *self.relative_imports(),
            *self.lowest_room(),
            *self.impure_rooms(),
            *self.hooks_with_frames(),
            *self.rooms_that_look_up(),
            *self.provider_info_imports(),
            *self.heavy_while_parsing(),
        ]

    def relative_imports(self) -> Iterator[str]:
        for module, imports in self.modules.items():
            yield from (f"{module}:{each.line}: relative import" for each in imports if each.relative)

    def lowest_room(self) -> Iterator[str]:
        for module in self.modules:
            if self.room(module) == "contract":
                ways = self.reached(module, only_module_level=False)
                tops = {name.removeprefix("import ") for name in ways if name.startswith("import ")}
                ours = {self.room(name) for name in ways if name and not name.startswith("import ")}
                for bad in sorted((tops - sys.stdlib_module_names - {"pydantic"}) | (ours - {"contract"})):
                    yield f"{module} is in the lowest room, and imports {bad}"

    def impure_rooms(self) -> Iterator[str]:
        for module in self.modules:
            if self.room(module) in PURE:
                ways = self.reached(module, only_module_level=False)
                for bad in sorted(WIRE_AND_SCHEDULER):
                    if way := ways.get(f"import {bad}"):
                        yield f"{module} must be pure, and imports {bad}: {' → '.join(way)}"

    def hooks_with_frames(self) -> Iterator[str]:
        for module in self.modules:
            if self.room(module) == "hooks":
                ways = self.reached(module, only_module_level=False)
                for bad in sorted(FRAMES):
                    if way := ways.get(f"import {bad}"):
                        yield f"{module} must not know {bad}: {' → '.join(way)}"

    def rooms_that_look_up(self) -> Iterator[str]:
        for module in self.modules:
            if self.room(module) in COMMANDS | {*TOP_ROOMS}:
                continue
            ways = self.reached(module, only_module_level=False)
            for top in TOP_ROOMS:
                if way := ways.get(top):
                    yield f"{module or PACKAGE}: no room imports {top}: {' → '.join(way)}"

    def provider_info_imports(self) -> Iterator[str]:
        for each in self.modules.get("provider_info", ()):
            if each.name != "__future__.annotations":
                yield f"provider_info:{each.line}: imports {each.name}, and must import nothing"

    def heavy_while_parsing(self) -> Iterator[str]:
        for module in PARSED_WITH_A_DAG:
            ways = self.reached(module, only_module_level=True)
            for bad in sorted(HEAVY):
                if way := ways.get(f"import {bad}"):
                    yield f"{module} must parse fast, and imports {bad}: {' → '.join(way)}"


def _with_parents(module: str) -> Iterator[str]:
    """A module and the packages above it, whose __init__ runs first."""
    yield ""
    parts = module.split(".") if module else []
    for length in range(1, len(parts) + 1):
        yield ".".join(parts[:length])


ON_THE_PATH = ("plugins", "plugins/moodle_coupling", "dags", "scripts", "tests")
"""Folders that stand on sys.path, or from which a file is run as a script."""


def shadows(folder: Mapping[str, str], *, on_the_path: bool) -> list[str]:
    """Names of the standard library that modules (name → source) of one folder hide.

    On the path ``import csv`` would find ours, so every such name counts. In any other folder it counts where a module
    beside it imports that name: run as a script, or read by a person, it would be the wrong one.
    """
    taken = {name for name in folder if name in sys.stdlib_module_names and not name.startswith("__")}
    if on_the_path:
        return sorted(taken)
    wanted = {each.name.partition(".")[0] for source in folder.values() for each in imports_of(source)}
    return sorted(taken & wanted)


def modules_in(folder: Path) -> dict[str, str]:
    """Modules directly in a folder and, as empty ones, the folders in it."""
    found = {path.stem: path.read_text("utf-8") for path in folder.glob("*.py")}
    return found | {path.name: "" for path in folder.iterdir() if path.is_dir()}


class TestTheHouse:
    def test_it_keeps_its_rules(self):
        assert House.on_disk().problems() == []

    @pytest.mark.parametrize("module", PARSED_WITH_A_DAG)
    def test_what_a_dag_file_imports_is_there_to_be_checked(self, module):
        assert module in House.on_disk().modules

    def test_the_dag_files_themselves_import_nothing_heavy(self):
        house = House.on_disk()
        for path in (ROOT / "dags").glob("*.py"):
            house.modules["a_dag_file"] = imports_of(path.read_text("utf-8"))
            ways = house.reached("a_dag_file", only_module_level=True)
            assert not {f"import {bad}" for bad in HEAVY} & set(ways), path

    @pytest.mark.parametrize("folder", ON_THE_PATH)
    def test_no_name_on_the_path_hides_one_of_the_standard_library(self, folder):
        assert shadows(modules_in(ROOT / folder), on_the_path=True) == []

    def test_no_name_in_a_room_hides_what_its_neighbours_import(self):
        for folder in (ROOT / "plugins" / PACKAGE).rglob("__init__.py"):
            assert shadows(modules_in(folder.parent), on_the_path=False) == [], folder.parent


GOOD = {
    "": "",
    "errors": "",
    "mapping": "",
    "mapping.model": "import pydantic",
    "mapping.file": "import yaml",
    "provider_info": "from __future__ import annotations",
    "contract": "",
    "contract.fields": "import re\nimport pydantic\nfrom moodle_coupling.contract import words",
    "contract.words": "",
    "people": "",
    "people.names": "import pandas",
    "hooks": "",
    "hooks.moodle": "import requests",
    "orchestration": "",
    "orchestration.dags": "from moodle_coupling import mapping\ndef task():\n    import pandas",
    "orchestration.tasks": "from moodle_coupling.people import names",
    "plugin": "from moodle_coupling.web import app",
    "web": "",
    "web.app": "",
}


class TestTheChecker:
    def test_a_house_in_order_passes(self):
        assert House(GOOD).problems() == []

    @pytest.mark.parametrize(
        ("module", "source", "said"),
        [
            ("contract.fields", "from moodle_coupling.mapping import X", "contract.fields is in the lowest room"),
            ("contract.fields", "def f():\n    import pandas", "in the lowest room, and imports pandas"),
            ("people.names", "import airflow.sdk", "people.names must be pure, and imports airflow"),
            ("people.names", "from http.client import HTTPConnection", "imports http"),
            ("people.names", "def f():\n    import requests", "imports requests"),
            (
                "people.names",
                "from moodle_coupling.hooks.moodle.hook import X",
                "people.names → hooks.moodle → requests",
            ),
            ("people", "import sqlalchemy", "people.names must be pure, and imports sqlalchemy"),
            ("hooks.moodle", "def f():\n    from pandas import DataFrame", "hooks.moodle must not know pandas"),
            ("hooks.moodle", "import pyarrow.parquet as pq", "hooks.moodle must not know pyarrow"),
            ("hooks.moodle", "from moodle_coupling.people import names", "hooks.moodle must not know pandas"),
            ("people.names", "from moodle_coupling.web import app", "people.names: no room imports web"),
            (
                "hooks.moodle",
                "def f():\n    from moodle_coupling import orchestration",
                "hooks.moodle: no room imports orchestration",
            ),
            ("errors", "import moodle_coupling.orchestration.dags", "errors: no room imports orchestration"),
            ("people.names", "import moodle_coupling.plugin", "no room imports web: people.names → plugin → web"),
            ("provider_info", "import sys", "provider_info:1: imports sys"),
            ("people.names", "from . import x", "people.names:1: relative import"),
            ("people.names", "from ..errors import X", "people.names:1: relative import"),
            ("errors", "import numpy", "errors must parse fast, and imports numpy"),
            ("errors", "try:\n    import pandas as pd\nexcept ImportError:\n    pd = None", "imports pandas"),
            ("errors", "class A:\n    import pandas", "errors must parse fast"),
            ("errors", "if TYPE_CHECKING:\n    import a\nelse:\n    import pandas", "errors must parse fast"),
            ("", "import pandas", "provider_info must parse fast, and imports pandas"),
            ("orchestration", "import pyarrow", "orchestration.dags must parse fast, and imports pyarrow"),
            (
                "orchestration.dags",
                "from moodle_coupling.people.names import clean",
                "orchestration.dags → people.names → pandas",
            ),
            ("orchestration.dags", "from moodle_coupling.people import names", "orchestration.dags must parse fast"),
        ],
    )
    def test_a_broken_rule_is_seen(self, module, source, said):
        found = House(GOOD | {module: source}).problems()
        assert any(said in each for each in found), found

    @pytest.mark.parametrize(
        ("module", "source"),
        [
            ("errors", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas"),
            ("errors", "import typing\nif typing.TYPE_CHECKING:\n    import pandas"),
            ("orchestration.dags", "async def f():\n    import pandas"),
            ("people.names", "import moodle_coupling_other.web"),
            ("web.app", "from moodle_coupling.orchestration import dags"),
            ("people.names", "x = 'import airflow'  # import airflow"),
        ],
    )
    def test_what_is_allowed_is_let_be(self, module, source):
        assert House(GOOD | {module: source}).problems() == []

    def test_a_name_of_the_standard_library_is_seen_on_the_path(self):
        assert shadows({"csv": "", "http": "", "usernames": "", "__init__": ""}, on_the_path=True) == ["csv", "http"]

    def test_a_name_of_the_standard_library_is_seen_where_its_neighbours_want_it(self):
        folder = {"csv": "", "types": "", "reading": "def f():\n    import csv"}
        assert shadows(folder, on_the_path=False) == ["csv"]
