"""The rules of the house on who imports whom, read from the source and never by importing it."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass, replace
from functools import cache
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
PURE = ("people", "matching", "access")
TOP_ROOMS = ("orchestration", "web")
COMMANDS = frozenset({"plugin", "cli", "preview"})
"""Ways in, beside the rooms: like the top rooms they may import every room."""
SOURCES = tuple(
    sorted(f"sources.{path.parent.name}" for path in (ROOT / "plugins" / PACKAGE / "sources").glob("*/__init__.py"))
)
"""What is imported where a mapping file is read, because it is there: the declaration of each source, with its settings."""
PARSED_WITH_A_DAG = (
    "errors",
    "mapping",
    "mapping.model",
    "mapping.file",
    "provider_info",
    "orchestration.dags",
    *SOURCES,
)
"""What a DAG file imports: parsed again and again by the DAG processor, so nothing heavy at module level."""


FLOORS = (
    {"contract", "provider_info"},
    {"words"},
    {"errors"},
    {"settings", "airflow_internals", "metrics"},
    {"mapping"},
    {"people"},
    {"matching", "access"},
    {"hooks", "sources", "provisioning", "ledger", "sandbox"},
    {"orchestration", "preview", "preview_output"},
    {"web"},
    {"plugin", "cli"},
)
"""From the lowest up. A room imports rooms of lower floors, and of its own floor as long as no two lead to each other."""

KNOWN_UPWARD: set[tuple[str, str]] = {
    ("moodle_coupling.orchestration.airflow_cli", "moodle_coupling.cli"),
}
"""Imports that still point up: (module, module). This list only becomes shorter; a line that is no longer needed fails."""

KNOWN_CIRCLES: list[set[str]] = []
"""Modules that still lead to each other. This list only becomes shorter; a module that is in no circle any more fails."""

WITH_SQL = {"ledger", "sources", "airflow_internals"}
KNOWN_SQL: set[str] = set()
"""Modules of other rooms that still build SQL of their own. This list only becomes shorter too."""


@dataclass(frozen=True)
class Imported:
    """One import: the dotted name as written, the line, and whether it runs when the module is imported, or never."""

    name: str
    line: int
    at_module_level: bool
    relative: bool = False
    for_types: bool = False


@cache
def imports_of(source: str) -> tuple[Imported, ...]:
    """Every import of a source text, those under ``if TYPE_CHECKING`` marked as such."""
    return tuple(_imports(ast.parse(source), at_module_level=True))


def _imports(node: ast.AST, *, at_module_level: bool) -> Iterator[Imported]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Imported(alias.name, child.lineno, at_module_level)
        elif isinstance(child, ast.ImportFrom):
            for alias in child.names:
                yield Imported(f"{child.module or ''}.{alias.name}", child.lineno, at_module_level, child.level > 0)
        elif isinstance(child, ast.If) and _is_type_checking(child.test):
            for each in _imports(ast.Module(child.body, []), at_module_level=False):
                yield replace(each, for_types=True)
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
        self.ours = cache(self._ours)

    @classmethod
    @cache
    def on_disk(cls) -> House:
        package = ROOT / "plugins" / PACKAGE
        sources = {}
        for path in package.rglob("*.py"):
            parts = path.relative_to(package).with_suffix("").parts
            sources[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text("utf-8")
        return cls(sources)

    def _ours(self, name: str) -> str | None:
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
                if each.for_types or (only_module_level and not each.at_module_level):
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
            *self.sources_that_talk_when_declared(),
            *self.homeless(),
            *self.rooms_in_circles(),
        ]

    def edges(self) -> Iterator[tuple[str, str]]:
        """Who imports whom among our modules, those for types too."""
        for module, imports in self.modules.items():
            for target in {self.ours(each.name) for each in imports} - {None, "", module}:
                yield module, target

    def homeless(self) -> Iterator[str]:
        yield from (
            f"{module}: room {self.room(module)!r} stands on no floor (FLOORS)"
            for module in self.modules
            if module and self.floor(module) is None
        )

    def floor(self, module: str) -> int | None:
        return next((number for number, rooms in enumerate(FLOORS) if self.room(module) in rooms), None)

    def upward(self) -> set[tuple[str, str]]:
        """Imports of a higher floor, by full names."""
        return {
            (f"{PACKAGE}.{one}", f"{PACKAGE}.{other}")
            for one, other in self.edges()
            if (self.floor(one) or 0) < (self.floor(other) or 0)
        }

    def building_sql(self) -> set[str]:
        """Modules that import SQLAlchemy where no SQL belongs, by full names."""
        return {
            f"{PACKAGE}.{module}"
            for module, imports in self.modules.items()
            if self.room(module) not in WITH_SQL
            and any(each.name.partition(".")[0] == "sqlalchemy" for each in imports if not each.for_types)
        }

    def circles(self) -> list[set[str]]:
        """Modules that lead to each other, by full names."""
        return circles_of({(f"{PACKAGE}.{one}", f"{PACKAGE}.{other}") for one, other in self.edges()})

    def rooms_in_circles(self) -> Iterator[str]:
        level = {
            (self.room(one), self.room(other))
            for one, other in self.edges()
            if self.room(one) != self.room(other) and self.floor(one) == self.floor(other)
        }
        yield from (f"rooms that import each other: {sorted(circle)}" for circle in circles_of(level))

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

    def sources_that_talk_when_declared(self) -> Iterator[str]:
        for module in SOURCES:
            ways = self.reached(module, only_module_level=True)
            for bad in sorted(WIRE_AND_SCHEDULER):
                if way := ways.get(f"import {bad}"):
                    yield f"{module} is declared wherever a mapping is read, and imports {bad}: {' → '.join(way)}"


def circles_of(edges: set[tuple[str, str]]) -> list[set[str]]:
    """Sets of names that lead to each other, each as large as can be."""
    ways = {one: {other for start, other in edges if start == one} for one, _ in edges}
    beyond = {name: _all_beyond(name, ways) for name in ways}
    found: list[set[str]] = []
    for name in sorted(name for name in ways if name in beyond[name]):
        if not any(name in circle for circle in found):
            found.append({other for other in beyond[name] if name in beyond.get(other, ())})
    return found


def _all_beyond(name: str, ways: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(ways[name])
    while waiting:
        each = waiting.pop()
        if each not in seen:
            seen.add(each)
            waiting += ways.get(each, ())
    return seen


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
    wanted = {
        each.name.partition(".")[0] for source in folder.values() for each in imports_of(source) if not each.for_types
    }
    return sorted(taken & wanted)


def modules_in(folder: Path) -> dict[str, str]:
    """Modules directly in a folder and, as empty ones, the folders in it."""
    found = {path.stem: path.read_text("utf-8") for path in folder.glob("*.py")}
    return found | {path.name: "" for path in folder.iterdir() if path.is_dir()}


class TestTheHouse:
    def test_it_keeps_its_rules(self):
        assert House.on_disk().problems() == []

    def test_no_import_points_up(self):
        assert sorted(House.on_disk().upward() - KNOWN_UPWARD) == []

    def test_no_import_is_excused_that_does_not_point_up(self):
        assert sorted(KNOWN_UPWARD - House.on_disk().upward()) == []

    def test_sql_stands_in_the_ledger(self):
        assert sorted(House.on_disk().building_sql() - KNOWN_SQL) == []

    def test_no_module_is_excused_that_builds_no_sql(self):
        assert sorted(KNOWN_SQL - House.on_disk().building_sql()) == []

    def test_no_modules_lead_to_each_other(self):
        found = House.on_disk().circles()
        assert [sorted(circle) for circle in found if not any(circle <= known for known in KNOWN_CIRCLES)] == []

    def test_no_module_is_excused_that_is_in_no_circle(self):
        in_circles = set().union(*House.on_disk().circles())
        assert sorted(set().union(*KNOWN_CIRCLES) - in_circles) == []

    def test_the_settings_of_every_source_are_checked(self):
        checked = {each for module in SOURCES for each in House.on_disk().reached(module, only_module_level=True)}
        settings = {
            each for each in House.on_disk().modules if each.startswith("sources.") and each.endswith(".settings")
        }
        assert settings
        assert settings <= checked

    @pytest.mark.parametrize("module", PARSED_WITH_A_DAG)
    def test_what_a_dag_file_imports_is_there_to_be_checked(self, module):
        assert module in House.on_disk().modules

    def test_the_dag_files_themselves_import_nothing_heavy(self):
        for path in (ROOT / "dags").glob("*.py"):
            house = House({})
            house.modules = House.on_disk().modules | {"a_dag_file": imports_of(path.read_text("utf-8"))}
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
            ("sources.files", "import pandas", "sources.files must parse fast, and imports pandas"),
            ("sources.files", "import airflow.sdk", "sources.files is declared wherever a mapping is read"),
            ("attic.box", "", "attic.box: room 'attic' stands on no floor"),
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

    @pytest.mark.parametrize(
        "source",
        [
            "from moodle_coupling.people import names",
            "def f():\n    from moodle_coupling.people.names import clean",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from moodle_coupling.people.names import Name",
        ],
    )
    def test_an_import_that_points_up_is_seen(self, source):
        assert House(GOOD | {"mapping.model": source}).upward() == {
            ("moodle_coupling.mapping.model", "moodle_coupling.people.names")
        }

    def test_a_circle_is_seen_also_one_for_types_only(self):
        turning = {
            "people.names": "def f():\n    from moodle_coupling.people import particles",
            "people.particles": "if TYPE_CHECKING:\n    from moodle_coupling.people import words",
            "people.words": "from moodle_coupling.people import names, particles",
        }
        assert House(GOOD | turning).circles() == [{f"moodle_coupling.{name}" for name in turning}]

    def test_rooms_of_one_floor_that_import_each_other_are_seen(self):
        turning = {
            "ledger": "",
            "ledger.runs": "from moodle_coupling.hooks import moodle",
            "hooks.pause": "if TYPE_CHECKING:\n    from moodle_coupling.ledger import runs",
        }
        assert House(GOOD | turning).problems() == ["rooms that import each other: ['hooks', 'ledger']"]

    def test_sql_outside_the_ledger_is_seen(self):
        house = House(
            GOOD
            | {
                "web.app": "def f():\n    from sqlalchemy import select",
                "ledger.runs": "import sqlalchemy",
                "hooks.moodle": "if TYPE_CHECKING:\n    from sqlalchemy.orm import Session",
            }
        )
        assert house.building_sql() == {"moodle_coupling.web.app"}

    def test_one_room_of_a_floor_may_import_another(self):
        house = House(GOOD | {"ledger": "", "ledger.runs": "from moodle_coupling.hooks import moodle"})
        assert not house.upward()
        assert house.problems() == []

    def test_a_name_of_the_standard_library_is_seen_on_the_path(self):
        assert shadows({"csv": "", "http": "", "usernames": "", "__init__": ""}, on_the_path=True) == ["csv", "http"]

    def test_a_name_of_the_standard_library_is_seen_where_its_neighbours_want_it(self):
        folder = {"csv": "", "types": "", "reading": "def f():\n    import csv"}
        assert shadows(folder, on_the_path=False) == ["csv"]
