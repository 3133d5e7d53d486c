"""Every text a page shows has its Dutch, with the same values in it."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import nodes

from moodle_coupling import web
from moodle_coupling.web.base.languages import dutch
from moodle_coupling.web.base.templating import _environment

if TYPE_CHECKING:
    from collections.abc import Iterator

WEB = Path(web.__file__).parent
TEXTS = {"_": 1, "say": 1, "texts": 1, "plural": 2}
"""Functions that take English texts as their first arguments, and how many."""


def in_templates() -> Iterator[str]:
    environment = _environment()
    for path in WEB.rglob("*.html"):
        for call in environment.parse(path.read_text("utf-8")).find_all(nodes.Call):
            name = call.node.name if isinstance(call.node, nodes.Name) else ""
            for argument in call.args[: TEXTS.get(name, 0)]:
                yield from literals(argument, path)


def literals(argument: nodes.Expr, path: Path) -> Iterator[str]:
    if isinstance(argument, nodes.Const):
        yield argument.value
    elif isinstance(argument, nodes.CondExpr):
        yield from literals(argument.expr1, path)
        yield from literals(argument.expr2, path)
    # anything else is a value that was marked with say() in Python


def in_python() -> Iterator[str]:
    for path in WEB.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                for argument in node.args[: TEXTS.get(name, 0)]:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        yield argument.value


def used() -> set[str]:
    return {*in_templates(), *in_python()}


def holes(text: str) -> set[str]:
    return set(re.findall(r"{(\w+)}", text))


def test_each_text_has_its_dutch():
    assert sorted(used() - set(dutch())) == []


def test_each_dutch_text_has_the_same_values():
    assert {english: nl for english, nl in dutch().items() if holes(english) != holes(nl)} == {}


def test_no_dutch_text_is_empty():
    assert [english for english, nl in dutch().items() if not nl.strip()] == []


def test_no_text_has_two_dutch_ones():
    found: dict[str, str] = {}
    for path in (WEB / "base" / "locale" / "nl").glob("*.json"):
        for english, nl in json.loads(path.read_text("utf-8")).items():
            assert found.setdefault(english, nl) == nl, path
