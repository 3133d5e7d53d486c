"""Whatever a mapping file holds, it is a mapping or an error of that file, with line and key."""

from __future__ import annotations

import copy
import json
import os
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from moodle_coupling.mapping import Mapping, Schedule
from moodle_coupling.mapping.file import DAILY, UNFORESEEN, MappingFileError, load_mapping, remains_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAPPINGS = Path(__file__).resolve().parents[2] / "include" / "mappings"
FILES = [MAPPINGS / "demo.yaml", MAPPINGS / "demo_file.yaml", *sorted((MAPPINGS / "examples").glob("*.yaml"))]
CASES = 10_000
SEED = 20_261_129

SCALARS: list[Any] = [
    None, "", " ", "no", "NO", "on", "yes", "true", "null", "~", "<<", "=", "[key]", "0", "-1", "1e999", ".nan", ".inf",
    "-.inf", "0x1F", "0o17", "1_000", "1:30", "2026-11-29", "2026-11-29T00:48:00Z", "9" * 400, "9" * 5000, "é", "ß", "İ",
    "a\u0301", "\u202e", "\ufeff", "😀", "column", "[city]", "{{ x }}", "${HOME}", "%s", "{0}", "(?P<a>", "(a+)+$", "*",
    "../../etc/passwd", "x" * 3000, "a\nb", "@daily", "* * * * *", "61 25 32 13 8", "Europe/", "Europe", "off", "free9",
    "http://u:p@h/x", "moodle demo", "coachview", "sql", "file", "{}", "[]", "\\", "'", '"',
]  # fmt: skip
TREES: list[Any] = [
    [], {}, [[]], [{}], [None], {"": ""}, {"a": {"b": {"c": []}}}, ["city"], {"column": "city"}, {"column": ["city"]},
    {"value": {}}, [["a"], ["b"]], {"type": []}, {"type": {}}, {"[key]": "[key]"}, {"count": []}, ["a"] * 50,
    {"not": {"a": ["b", {"c": "d"}]}},
]  # fmt: skip
LINES = [
    "? [a]\n: b", "<<: *x", "x: &a [*a]", "- a", "\tx: y", "---", "...", "%YAML 9.9", "x: !!python/none ''", "x: !!set {a}",
    "x: !!binary aGk=", "x: |\n  a\n b", "x: 'a", 'x: "a', "x: {a: [b}", "? a", ": b", "&a b: *a", "x: y: z", "!!map {}",
    'x: "\\0"', 'x: "\\ud800"', "<<<<<<< HEAD", "=======", "[" * 40, "{a: " * 40, "environment: demo", "source: [source]",
]  # fmt: skip


def places(value: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a tree, the root too."""
    yield where
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in parts:
        yield from places(part, (*where, step))


def at(tree: Any, where: tuple[Any, ...]) -> Any:
    for step in where:
        tree = tree[step]
    return tree


def anything(chance: random.Random) -> Any:
    return copy.deepcopy(chance.choice(SCALARS if chance.random() < 0.6 else TREES))


def replaced(tree: Any, chance: random.Random) -> Any:
    where = chance.choice(list(places(tree))[1:] or [()])
    if not where:
        return anything(chance)
    at(tree, where[:-1])[where[-1]] = anything(chance)
    return tree


def wrapped(tree: Any, chance: random.Random) -> Any:
    where = chance.choice(list(places(tree))[1:] or [()])
    if where:
        inner = at(tree, where)
        at(tree, where[:-1])[where[-1]] = chance.choice([[inner], {"column": inner}, [inner, inner], {"x": [inner]}])
    return tree


def without(tree: Any, chance: random.Random) -> Any:
    where = chance.choice(list(places(tree))[1:] or [()])
    if where:
        del at(tree, where[:-1])[where[-1]]
    return tree


def renamed(tree: Any, chance: random.Random) -> Any:
    keys = [where for where in places(tree) if where and isinstance(where[-1], str)]
    if keys:
        where = chance.choice(keys)
        others = [each[-1] for each in keys] + [str(each) for each in SCALARS if each is not None]
        holder = at(tree, where[:-1])
        holder[chance.choice(others)] = holder.pop(where[-1])
    return tree


def moved(tree: Any, chance: random.Random) -> Any:
    here = list(places(tree))[1:]
    if here:
        part = copy.deepcopy(at(tree, chance.choice(here)))
        where = chance.choice(here)
        at(tree, where[:-1])[where[-1]] = part
    return tree


def typed(text: str, chance: random.Random) -> str:
    lines = text.splitlines()
    indent = chance.choice(["", "", "  ", "    "])
    lines.insert(chance.randint(0, len(lines)), indent + chance.choice(LINES).replace("\n", "\n" + indent))
    return "\n".join(lines)


def cut(text: str, chance: random.Random) -> str:
    start = chance.randint(0, len(text))
    return text[:start] + text[start + chance.randint(0, 40) :]


TREE_CHANGES: list[Callable[[Any, random.Random], Any]] = [replaced, replaced, wrapped, without, renamed, moved]
TEXT_CHANGES: list[Callable[[str, random.Random], str]] = [typed, cut]


def mutated(tree: Any, text: str, chance: random.Random) -> bytes:
    """A good file after one to three things went wrong with it."""
    if chance.random() < 0.8:
        tree = copy.deepcopy(tree)
        for _ in range(chance.randint(1, 3)):
            tree = chance.choice(TREE_CHANGES)(tree, chance)
        written = json.dumps(tree, indent=1, ensure_ascii=chance.random() < 0.5)
        return written.encode("utf-8", "surrogatepass")
    for _ in range(chance.randint(1, 3)):
        text = chance.choice(TEXT_CHANGES)(text, chance)
    raw = bytearray(text.encode("utf-8", "surrogatepass"))
    if raw and chance.random() < 0.2:
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    return bytes(raw)


def load(path: Path, raw: bytes) -> MappingFileError | None:
    path.write_bytes(raw)
    try:
        assert isinstance(load_mapping(path), Mapping)
    except MappingFileError as error:
        return error
    return None


def verdict(path: Path, raw: bytes) -> str:
    """Load what was written; '' for a mapping, else the error's text, which must be whole."""
    error = load(path, raw)
    if error is None:
        return ""
    assert error.path == path
    assert error.problems
    text = str(error)
    text.encode()
    lines = raw.decode("utf-8", "replace").count("\n") + raw.count(b"\r") + 2
    for problem in error.problems:
        assert 1 <= problem.line <= lines, problem
        assert problem.column >= 1, problem
        assert problem.text.strip(), problem
        assert UNFORESEEN not in problem.text, problem
    assert all(path.name in line for line in text.splitlines() if line), text
    return text


def plain(file: Path) -> Any:
    """Give a file's tree with every scalar as it is written."""
    return yaml.load(file.read_text("utf-8"), yaml.BaseLoader)  # noqa: S506  # it makes nothing but texts


@pytest.mark.parametrize("part", range(4))
def test_ten_thousand_broken_files_are_mappings_or_errors_with_line_and_key(tmp_path, part):
    chance = random.Random(SEED + part)
    trees = [(file.name, plain(file), file.read_text("utf-8")) for file in FILES]
    good = 0
    for _ in range(CASES // 4):
        name, tree, text = chance.choice(trees)
        raw = mutated(tree, text, chance)
        try:
            good += not verdict(tmp_path / name, raw)
        except AssertionError as error:
            error.add_note(raw.decode("utf-8", "replace"))
            raise
    assert 0 < good < CASES // 8  # it breaks files, and not all of them


@pytest.mark.parametrize("wrong", [["city"], {"a": "city"}, [["city"]], [{"x": []}], 5, None, True])
@pytest.mark.parametrize("key", ["fields", "profile_fields", "scope"])
def test_a_column_that_is_no_text_is_an_error_at_its_key(tmp_path, key, wrong):
    part: Any = {"city": {"column": wrong}} if key != "scope" else {"include": [{"column": wrong, "equals": "x"}]}
    tree = {"environment": "demo", "connection": "c", "source": {"path": "a.csv"}, "idnumber": "extern_id", key: part}
    text = verdict(tmp_path / "demo.yaml", json.dumps(tree, indent=1).encode())
    if wrong is None and key != "scope":  # nothing said
        assert f"{key}.city: say either 'column' or 'value'" in text
    elif isinstance(wrong, list | dict | None):
        assert f"{key}.{'include[0]' if key == 'scope' else 'city'}.column: " in text
    else:
        assert "there is no column" in text


class TestAwkwardFiles:
    def said(self, path: Path) -> str:
        with pytest.raises(MappingFileError) as caught:
            load_mapping(path)
        assert caught.value.path == path
        assert all(UNFORESEEN not in each.text for each in caught.value.problems)
        return str(caught.value)

    def test_a_billion_laughs_stay_one_error_each(self, tmp_path):
        lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
        path = tmp_path / "laughs.yaml"
        path.write_text("\n".join(lines))
        assert "anchors and aliases" in self.said(path)

    @pytest.mark.parametrize(
        "text", ["[" * 900, "- " * 900 + "x", "{a: " * 900, "\n".join(" " * n + "a:" for n in range(700))]
    )
    def test_deep_nesting_is_an_error(self, tmp_path, text):
        path = tmp_path / "deep.yaml"
        path.write_text(text)
        assert "nest" in self.said(path) or "not YAML" in self.said(path)

    @pytest.mark.parametrize("text", ["title: 'a\0b'", 'title: "a\\0b"', '"a\\0b": c', "title: \x1b[31m"])
    def test_control_characters_are_errors_however_written(self, tmp_path, text):
        path = tmp_path / "nul.yaml"
        path.write_text(text)
        assert "nul.yaml:1:" in self.said(path)

    def test_a_huge_file_is_not_read_to_its_end(self, tmp_path):
        path = tmp_path / "huge.yaml"
        with path.open("wb") as file:
            file.truncate(8 << 40)  # a sparse file, larger than memory
        assert "this must be another file" in self.said(path)

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-32-be", "cp037"])
    def test_another_encoding_is_named_or_placed(self, tmp_path, encoding):
        path = tmp_path / "demo.yaml"
        path.write_bytes("environment: demo\ntitle: Café\n".encode(encoding))
        assert re.search(r"demo\.yaml:[12]:", self.said(path))

    def test_a_folder_a_pipe_and_links_to_nowhere(self, tmp_path):
        (tmp_path / "folder.yaml").mkdir()
        os.mkfifo(tmp_path / "pipe.yaml")
        (tmp_path / "gone.yaml").symlink_to(tmp_path / "nothing.yaml")
        (tmp_path / "circle.yaml").symlink_to(tmp_path / "circle.yaml")
        (tmp_path / "zero.yaml").symlink_to("/dev/zero")
        assert "is no file" in self.said(tmp_path / "folder.yaml")
        assert "is no file" in self.said(tmp_path / "pipe.yaml")
        assert "is no file" in self.said(tmp_path / "zero.yaml")
        assert "it is a link to" in self.said(tmp_path / "gone.yaml")
        assert "cannot be read" in self.said(tmp_path / "circle.yaml")

    def test_a_file_without_the_right_to_read_it(self, tmp_path, monkeypatch):
        def refused(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")  # as a file of mode 0 does, except to root

        path = tmp_path / "mine.yaml"
        path.write_text("a: b")
        monkeypatch.setattr(Path, "open", refused)
        assert "Permission denied" in self.said(path)

    def test_a_name_that_is_no_text_can_be_said(self, tmp_path):
        path = tmp_path / os.fsdecode(b"caf\xe9.yaml")
        path.write_text("a: b")
        self.said(path).encode()

    def test_a_fault_of_the_checks_stays_with_the_file_too(self, tmp_path, monkeypatch):
        def broken(*_: object) -> None:
            raise TypeError("unhashable: s3cret")

        monkeypatch.setattr("moodle_coupling.mapping.file.read_document", broken)
        path = tmp_path / "demo.yaml"
        path.write_text("a: b")
        with pytest.raises(MappingFileError, match=r"demo\.yaml:1:1: cannot be checked \(TypeError\)") as caught:
            load_mapping(path)
        assert "s3cret" not in str(caught.value)


class TestWhatAWrongFileStillSays:
    GOOD = (
        "environment: demo\nconnection: moodle_demo\ntitle: School\nschedule:\n  provision: 0 * * * *\n  reconcile: 0 3 * * *\n"
        "notify: {to: [beheer@example.org]}\n"
    )

    @pytest.mark.parametrize(
        "more",
        ["idnumber: nothing\n", "fields:\n\tcity: x\n", "title: [\n", "<<<<<<< HEAD\n", 'source: "a\n', "a: &a *a\n"],
    )
    def test_what_is_wrong_elsewhere_takes_nothing_along(self, more):
        left = remains_of((self.GOOD + more).encode())
        assert left.connection == "moodle_demo"
        assert left.schedule == Schedule(provision="0 * * * *", reconcile="0 3 * * *")
        assert left.notify.to == ["beheer@example.org"]

    def test_it_is_read_in_another_encoding_too(self):
        assert remains_of(("title: Café\n" + self.GOOD).encode("cp1252")).schedule.provision == "0 * * * *"

    def test_a_wrong_time_becomes_the_daily_one_and_the_other_stays(self):
        left = remains_of(self.GOOD.replace("provision: 0 *", "provision: 99 *").encode())
        assert (left.schedule.provision, left.schedule.reconcile) == (DAILY, "0 3 * * *")

    def test_by_hand_only_stays_by_hand_only(self):
        assert remains_of(b"environment: demo\nconnection: c\nidnumber: x\n").schedule == Schedule()

    @pytest.mark.parametrize(
        "raw",
        [b"", b"\0", b"- a", b"environment: demo\nshedule: {provision: 0 3 * * *}\nconnection: c\n", b"schedule: 5"],
    )
    def test_a_schedule_that_is_lost_or_misspelt_is_daily(self, raw):
        assert remains_of(raw).schedule == Schedule(provision=DAILY, reconcile=DAILY)

    def test_whatever_it_holds_something_is_left(self):
        chance = random.Random(SEED)
        for _ in range(500):
            file = chance.choice(FILES)
            raw = mutated(plain(file), file.read_text("utf-8"), chance)
            assert remains_of(raw).schedule is not None
