"""What people read is said by the catalogues: no English sentence stands in the code, but for the places below and why."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import moodle_coupling
from moodle_coupling.words.sentence import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(moodle_coupling.__file__).parent
WORD = re.compile(r"(?<!\S)['(]*[A-Za-z][a-z'-]+[').,:;]*(?!\S)")
A_SENTENCE: Final = 4
"""So many words make a sentence; fewer are as often a name, a key or a heading."""
LOGGED = {"debug", "info", "warning", "error", "exception", "critical"}
BUGS = {"AttributeError", "KeyError", "TypeError", "ValueError"}
"""Raised on a mistake in our own code, for who reads the traceback; what people mend is a CouplingError with a Sentence."""
HELP = {"help", "description", "doc_md"}
"""Keywords of argparse, of a DAG and of a mapping's fields: help of commands, Airflow's pages, the JSON Schema and docs."""
PATTERNS = {"compile", "cast", "usage_error"}
"""Calls whose text is a pattern or a type, or a usage error of argparse, whose words around it are English."""

ELSEWHERE = {
    "sandbox/": "stands in for sites that answer in English, and speaks to who starts it",
    "provider_info.py": "Airflow's own pages: forms of connections, the reference of options",
    "contract/columns.py": "what columns mean: docs/sources.md",
    "contract/frames.py": "what columns mean, for who changes the code",
    "metrics.py": "what figures mean: docs/metrics.md",
    "matching/likeness.py": "names in many languages",
    "orchestration/airflow_cli.py": "help of a command",
    "orchestration/commands.py": "help of commands",
    "orchestration/coupling_dags.py": "what Airflow shows of a DAG, made while it is parsed, for all its readers",
    "orchestration/dags.py": "what Airflow shows of a DAG, made while it is parsed, for all its readers",
    "orchestration/retries.py": "what Airflow logs of a retry",
    "provisioning/snapshot/everyone.py": "what is logged of a choice",
    "ledger/migrations/": "SQL",
    "hooks/wire.py": "names of causes, which nobody is shown",
}
"""Places that may hold English, by how their path begins, and why."""


def said_in(node: ast.AST) -> str:
    """Give a text, or an f-string with its holes as …; '' for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(said_in(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return ""


def name_of(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def is_no_text_for_people(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)  # a docstring
    if isinstance(node, ast.keyword):
        return node.arg in HELP
    if isinstance(node, ast.Raise):
        return isinstance(node.exc, ast.Call) and name_of(node.exc) in BUGS and "Sentence" not in ast.unparse(node)
    if isinstance(node, ast.Call):
        is_log = isinstance(node.func, ast.Attribute) and "log" in ast.unparse(node.func.value)
        return name_of(node) in PATTERNS or (is_log and name_of(node) in LOGGED)
    return False


def messages_of_bugs(tree: ast.AST) -> set[int]:
    """Give the lines of ``msg = …`` that are raised as a mistake of our own."""
    lines = set()
    for node in ast.walk(tree):
        for block in (getattr(node, name, None) for name in ("body", "orelse", "finalbody")):
            for one, after in pairwise(block) if isinstance(block, list) else ():
                if isinstance(one, ast.Assign) and isinstance(after, ast.Raise) and is_no_text_for_people(after):
                    lines |= set(range(one.lineno, (one.end_lineno or one.lineno) + 1))
    return lines


def sentences_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Give the texts of so many words that somebody may read, each with its line."""
    bugs = messages_of_bugs(tree)
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if is_no_text_for_people(node):
            continue
        if text := said_in(node):
            # Words alone, as in 'a b c', and not what has the signs of a pattern, markup or code in it.
            if (
                len(WORD.findall(text)) >= A_SENTENCE
                and not re.search(r"[\\<>|;]|\[\w", text)
                and node.lineno not in bugs
            ):  # type: ignore[attr-defined]
                yield node.lineno, text  # type: ignore[attr-defined]
            continue
        todo += ast.iter_child_nodes(node)


def translated() -> set[str]:
    """Give the English texts of pages, which stand in every other catalogue."""
    found: set[str] = set()
    for message in catalogue("nl"):
        found |= set(message.id) if isinstance(message.id, (list, tuple)) else {str(message.id)}
    return found


ALONE = {
    "Access to the function": "what Moodle answers",
    "field larger than field limit": "what Python's csv says",
    "unexpected end of data": "what Python's csv says",
    "nl en de fr es it pt pl tr da sv nb fi cs hu ro el ar uk ru fy": "languages",
    "Mapping file of a Moodle coupling": "the title of the JSON Schema, for editors",
    "the good end of …": "who lifted a quarantine, which stands in the ledger and on no page",
}
"""Single texts that are no sentence of ours to people, and why."""


def test_no_english_sentence_stands_in_the_code() -> None:
    known, found = translated() | set(ALONE), []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(tuple(ELSEWHERE)):
            found += [
                f"{name}:{line}: {text}"
                for line, text in sentences_in(ast.parse(path.read_text("utf-8")))
                if text not in known
            ]
    assert found == []


def test_nothing_is_allowed_in_vain() -> None:
    found = {
        (path.relative_to(PACKAGE).as_posix(), text)
        for path in PACKAGE.rglob("*.py")
        for _, text in sentences_in(ast.parse(path.read_text("utf-8")))
    }
    assert [place for place in ELSEWHERE if not any(name.startswith(place) for name, _ in found)] == []
    assert set(ALONE) - {text for _, text in found} == set()


@pytest.mark.parametrize(
    ("code", "is_found"),
    [
        ('raise SettingError("The folder cannot be read now.")', True),
        ('raise SettingError(f"The folder {name} cannot be read now.")', True),
        ('msg = f"Connection {name} is not fit for this"\nraise MoodleDenied(msg)', True),
        ('print("There are no mapping files here")', True),
        ('rows.append(f"{count} of those were done already")', True),
        ('raise ValueError(Sentence("x", why="it has more than that many cells"))', True),
        ('log.info("The token is not shared with others: %s", error)', False),
        ('self.log.info("The answer that somebody gave counts.")', False),
        ('def f():\n    """Give what is there and nothing else."""', False),
        ('raise ValueError("the ledger takes times with a zone only")', False),
        ('msg = "the ledger takes times with a zone only"\nraise ValueError(msg)', False),
        ('parser.add_argument("--x", help="look at these persons only")', False),
        ('Sentence("run.no_plan", task=name)', False),
    ],
)
def test_what_counts_as_a_sentence(code: str, is_found: bool) -> None:
    assert bool(list(sentences_in(ast.parse(code)))) is is_found
