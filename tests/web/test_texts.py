"""Every text a page shows is in every catalogue."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jinja2 import nodes

from moodle_coupling import web
from moodle_coupling.web.base.templating import _environment
from moodle_coupling.words.sentence import catalogue, entries, languages

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


@pytest.mark.parametrize("language", [each for each in languages() if each != "en"])
def test_each_text_of_a_page_is_in_each_language(language: str):
    plural = {one for one, entry in entries(language).items() if isinstance(entry, tuple)}
    many = {message.id[1] for message in catalogue(language) if message.pluralizable}
    assert sorted(used() - set(entries(language)) - many) == []
    assert plural
