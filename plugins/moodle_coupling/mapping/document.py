"""A YAML text read as plain texts, lists and dicts that remember where each of them stood."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml

from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from moodle_coupling.mapping.checks import Location

_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG: Final = "tag:yaml.org,2002:"
_PLAIN_TAGS: Final = frozenset(
    _TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value", "map", "seq")
)
_UNSHOWABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""What databases refuse in a text; YAML lets it in by an escape such as "\\0"."""
_NOT_UTF8: Final = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
MOST_BYTES: Final = 1_000_000
"""A file with more is not read: it is another file."""
_DEEPEST: Final = 20
"""More keys and lists inside each other than any mapping has."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a file. ``line`` and ``column`` count from 1; ``key`` is like 'username.recipe', or ''."""

    line: int
    column: int
    key: str
    said: Sentence

    @property
    def text(self) -> str:
        """What is wrong, in English."""
        return str(self.said)


@dataclass(slots=True)
class Document:
    """What a YAML text says, and where.

    ``data`` holds dict, list, str and None only: a scalar is the text as it stands in the file, so that ``NL: no``,
    ``007`` and ``1_000`` stay what they are; who needs a number or a boolean makes it from the text. None is an
    unquoted null, ~ or nothing. ``marks`` gives line and column (from 1) per location.
    """

    data: Any = None
    marks: dict[Location, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def mark(self, where: Location) -> tuple[int, int]:
        """Give line and column of a location, or of the nearest thing around it."""
        while where and where not in self.marks:
            where = where[:-1]
        return self.marks.get(where, (1, 1))


def key_path(where: Location) -> str:
    """Write a location as people do: 'scope.include[2].column'."""
    text = ""
    for step in where:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def read_document(raw: bytes) -> Document:
    """Read the bytes of a YAML file; whatever is wrong is in ``problems``, nothing is raised."""
    document = Document()
    text, problem = _decode(raw)
    if problem is None:
        try:
            node = yaml.compose(text, Loader=_Loader)
        except yaml.YAMLError as error:
            problem = _yaml_problem(error, text)
        except RecursionError:
            problem = Problem(1, 1, "", Sentence("mapping.yaml.too_deep"))
        else:
            if node is None:
                problem = Problem(1, 1, "", Sentence("mapping.yaml.empty"))
            else:
                document.data = _Walk(document).value(node, ())
    if problem is not None:
        document.problems.append(problem)
    return document


def _decode(raw: bytes) -> tuple[str, Problem | None]:
    if len(raw) > MOST_BYTES:
        return "", Problem(1, 1, "", Sentence("mapping.yaml.too_large", most=MOST_BYTES))
    for bom, name in _NOT_UTF8.items():
        if raw.startswith(bom):
            return "", Problem(1, 1, "", Sentence("mapping.yaml.other_encoding", encoding=name))
    try:
        return raw.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        byte = error.object[error.start]
        return "", Problem(line, column, "", Sentence("mapping.yaml.not_utf8", byte=f"{byte:02x}"))


class _Walk:
    """Turns nodes into plain values and notes where they stood."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.seen: set[int] = set()

    def value(self, node: yaml.Node, where: Location) -> Any:
        self.document.marks.setdefault(where, _mark(node.start_mark))
        if id(node) in self.seen:
            # The node's own mark is that of the anchor, so take the place where it is used.
            self.document.problems.append(
                Problem(*self.document.mark(where), key_path(where), Sentence("mapping.yaml.alias"))
            )
            return None
        self.seen.add(id(node))
        if len(where) > _DEEPEST or node.tag not in _PLAIN_TAGS:
            deep = len(where) > _DEEPEST
            tag = Sentence("mapping.yaml.tag", tag=node.tag.replace(_TAG, "!!"))
            self.problem(node, where[:_DEEPEST], Sentence("mapping.yaml.too_deep") if deep else tag)
            return None
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, where)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*where, position)) for position, item in enumerate(node.value)]
        return self.scalar(node, where)

    def scalar(self, node: yaml.Node, where: Location) -> str | None:
        if _UNSHOWABLE.search(node.value):
            self.problem(node, where, Sentence("mapping.yaml.no_text"))
        return None if node.tag == f"{_TAG}null" else str(node.value)

    def mapping(self, node: yaml.MappingNode, where: Location) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.problem(key_node, where, Sentence("mapping.yaml.key_not_a_text"))
                continue
            key = str(key_node.value)
            if _UNSHOWABLE.search(key):
                self.problem(key_node, where, Sentence("mapping.yaml.key_no_text"))
                continue
            here = (*where, key)
            if key in result:
                self.problem(key_node, here, Sentence("mapping.yaml.twice", line=self.document.marks[here][0]))
                continue
            self.document.marks[here] = _mark(key_node.start_mark)
            result[key] = self.value(value_node, here)
        return result

    def problem(self, node: yaml.Node, where: Location, said: Sentence) -> None:
        self.document.problems.append(Problem(*_mark(node.start_mark), key_path(where), said))


def _mark(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


def _yaml_problem(error: yaml.YAMLError, text: str) -> Problem:
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        line, column = before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1
        return Problem(line, column, "", Sentence("mapping.yaml.character", reason=str(error.reason)))
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line, column = _mark(mark) if mark else (1, 1)
    said = getattr(error, "problem", None) or str(error)
    lines = text.splitlines()
    hint = _hint(lines[line - 1] if line <= len(lines) else "", said)
    return Problem(line, column, "", Sentence("mapping.yaml.no_yaml", said=str(said), hint=hint))


def _hint(line: str, said: str) -> Sentence | str:
    if "another document" in said:
        return Sentence("mapping.yaml.hint.one_document")
    if "nesting" in said:
        return ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return Sentence("mapping.yaml.hint.tab")
    value = line.partition(":")[2].strip() or line.strip().removeprefix("- ").strip()
    if value[:1] and value[0] in "@`*&!%-?|>[]{},":
        return Sentence("mapping.yaml.hint.quotes", sign=value[0])
    if ": " in value:
        return Sentence("mapping.yaml.hint.colon")
    return Sentence("mapping.yaml.hint.indentation")
