"""Free fields: three shapes, one meaning, and never a confidential value."""

from __future__ import annotations

from typing import Any

import pytest

from moodle_coupling.errors import CoachviewAnswerUnreadable, CoachviewScopeMissing, NotACoachview
from moodle_coupling.hooks.coachview.connection import FreeShape
from moodle_coupling.hooks.coachview.rows import FreeFields, definitions, free_codes, shapes_of

COLOUR, NUMBER = "VrijveldKleur", "VrijveldBsn"


def item(code: str, data: Any, **definition: Any) -> dict[str, Any]:
    return {"data": data, "vrijveldDefinitie": {"code": code, "label": code, "volgorde": 1, **definition}}


def in_shape(shape: str, values: dict[str, Any]) -> dict[str, Any]:
    """A row, its keys in lower case, that holds values in a shape; ``values`` by code."""
    if shape == "top_level":
        return {"id": "a", **{code.lower(): value for code, value in values.items()}}
    if shape == "object":
        return {"id": "a", "vrijevelden": values}
    if shape == "object with definitions":
        return {
            "id": "a",
            "vrijevelden": {code: item(code, value, vertrouwelijk=False) for code, value in values.items()},
        }
    return {"id": "a", "vrijevelden": [item(code, value, vertrouwelijk=False) for code, value in values.items()]}


class Asked:
    """Says which codes are confidential, and counts how often it was asked."""

    def __init__(self, flags: dict[str, bool] | Exception) -> None:
        self.flags = flags
        self.times = 0

    def __call__(self, _record: str) -> dict[str, bool]:
        self.times += 1
        if isinstance(self.flags, Exception):
            raise self.flags
        return self.flags


def fields(*wanted: str, ask: Asked | None = None, **settings: Any) -> FreeFields:
    return FreeFields(wanted, ask=ask or Asked({COLOUR.lower(): False, NUMBER.lower(): True}), **settings)


SHAPES = ["object", "object with definitions", "list", "top_level"]


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_gives_the_same(shape: str) -> None:
    ours = fields(COLOUR, "VrijveldLeeg")
    assert ours.read(in_shape(shape, {COLOUR: "rood"}), "a") == {COLOUR: "rood", "VrijveldLeeg": ""}


@pytest.mark.parametrize("shape", SHAPES)
def test_codes_match_without_letter_case_and_keep_the_spelling_that_was_asked_for(shape: str) -> None:
    ours = fields("vrijveldKLEUR")
    assert ours.read(in_shape(shape, {COLOUR: "rood"}), "a") == {"vrijveldKLEUR": "rood"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("", ""),
        ("rood", "rood"),
        (3, "3"),
        (2.5, "2.5"),
        (True, "true"),
        (False, "false"),
        ("0", "0"),
        (["a", None, "b"], "a, b"),
    ],
)
def test_values_become_text(value: Any, text: str) -> None:
    assert fields(COLOUR).read(in_shape("list", {COLOUR: value}), "a") == {COLOUR: text}


@pytest.mark.parametrize("shape", ["object", "list", "top_level"])
def test_a_value_no_field_can_hold_is_refused_by_its_kind(shape: str) -> None:
    with pytest.raises(CoachviewAnswerUnreadable, match=r"(?i:vrijveldkleur) holds a dict"):
        fields(COLOUR).read(in_shape(shape, {COLOUR: {"kleur": "rood"}}), "a")


# ---- confidential ----------------------------------------------------------------------------------------------------


def test_a_confidential_field_of_a_list_never_leaves() -> None:
    ours = fields(COLOUR, NUMBER)
    row = {"vrijevelden": [item(COLOUR, "rood", vertrouwelijk=False), item(NUMBER, "123456782", vertrouwelijk=True)]}
    assert ours.read(row, "a") == {COLOUR: "rood", NUMBER: ""}
    assert ours.confidential == {NUMBER}


@pytest.mark.parametrize("shape", ["object", "top_level"])
def test_where_a_row_does_not_say_coachview_is_asked_once(shape: str) -> None:
    ask = Asked({COLOUR.lower(): False, NUMBER.lower(): True})
    ours = fields(COLOUR, NUMBER, ask=ask)
    for _ in range(5):
        assert ours.read(in_shape(shape, {COLOUR: "rood", NUMBER: "123456782"}), "a") == {COLOUR: "rood", NUMBER: ""}
    assert ask.times == 1
    assert ours.confidential == {NUMBER}


def test_what_is_not_wanted_or_is_empty_is_not_asked_about() -> None:
    ask = Asked({})
    assert fields(COLOUR, ask=ask).read(in_shape("object", {COLOUR: "", NUMBER: "123456782"}), "a") == {COLOUR: ""}
    assert ask.times == 0


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({}, "does not say"),
        ({"vrijveldanders": False}, "does not say"),
        (NotACoachview("HTTP 404"), "HTTP 404"),
        (CoachviewScopeMissing("HTTP 403"), "HTTP 403"),
    ],
)
def test_a_field_of_which_nobody_can_tell_is_refused(answer: Any, said: str) -> None:
    with pytest.raises(CoachviewAnswerUnreadable, match=f"{said}.*public_free_fields") as caught:
        fields(COLOUR, ask=Asked(answer)).read(in_shape("object", {COLOUR: "rood"}), "a")
    assert "rood" not in str(caught.value)


def test_a_list_that_leaves_the_mark_out_is_asked_about_too() -> None:
    row = {"vrijevelden": [item(NUMBER, "123456782")]}
    assert fields(NUMBER).read(row, "a") == {NUMBER: ""}


def test_data_without_its_definition_is_asked_about_too() -> None:
    row = {"vrijevelden": {NUMBER: {"data": "123456782"}, COLOUR: {"data": "rood", "vrijveldDefinitie": None}}}
    assert fields(NUMBER, COLOUR).read(row, "a") == {NUMBER: "", COLOUR: "rood"}


def test_what_the_connection_says_is_public_is_not_asked_about() -> None:
    ask = Asked(NotACoachview("x"))
    ours = fields(COLOUR, ask=ask, public=(COLOUR.upper(),))
    assert ours.read(in_shape("object", {COLOUR: "rood"}), "a") == {COLOUR: "rood"}
    assert ask.times == 0


def test_a_mark_goes_before_what_the_connection_says() -> None:
    ours = fields(NUMBER, public=(NUMBER,))
    marked = {"vrijevelden": [item(NUMBER, "123456782", vertrouwelijk=True)]}
    assert ours.read(marked, "a") == {NUMBER: ""}
    assert ours.confidential == {NUMBER}
    # Once confidential is always confidential, also where a row does not say.
    assert ours.read(in_shape("object", {NUMBER: "123456782"}), "b") == {NUMBER: ""}


# ---- shapes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "shapes"),
    [
        ({"id": "a"}, []),
        ({"vrijevelden": None}, []),
        ({"vrijevelden": {}}, [FreeShape.OBJECT]),
        ({"vrijevelden": []}, [FreeShape.LIST]),
        ({"vrijveldkleur": None}, [FreeShape.TOP_LEVEL]),
        ({"vrijvelddefinitie": {}}, []),
    ],
)
def test_a_rows_shape_is_seen(row: dict[str, Any], shapes: list[FreeShape]) -> None:
    assert shapes_of(row) == shapes


def test_another_shape_than_the_connection_says_is_refused() -> None:
    with pytest.raises(CoachviewAnswerUnreadable, match=r"shape 'object'.*says 'list'"):
        fields(COLOUR, shape=FreeShape.LIST).read(in_shape("object", {COLOUR: "rood"}), "a")


@pytest.mark.parametrize("container", ["text", 3, True])
def test_a_container_of_another_kind_is_refused(container: Any) -> None:
    with pytest.raises(CoachviewAnswerUnreadable, match="neither an object nor a list"):
        fields(COLOUR).read({"vrijevelden": container}, "a")


@pytest.mark.parametrize(
    "broken", ["x", {}, {"data": 1}, {"data": 1, "vrijveldDefinitie": {}}, {"vrijveldDefinitie": {"code": "V"}}]
)
def test_an_item_without_code_or_data_is_refused(broken: Any) -> None:
    with pytest.raises(CoachviewAnswerUnreadable, match="no code or no data"):
        fields(COLOUR).read({"vrijevelden": [broken]}, "a")


def test_free_fields_that_show_nowhere_are_no_empty_fields() -> None:
    ours = fields(COLOUR)
    ours.read({"id": "a", "achternaam": "x"}, "a")
    with pytest.raises(CoachviewAnswerUnreadable, match=r"no shape that is known.*achternaam, id.*free_fields"):
        ours.check_seen(["id", "achternaam"])


@pytest.mark.parametrize("settings", [{"shape": FreeShape.LIST}, {}])
def test_unless_the_connection_says_the_shape_or_some_row_showed_it(settings: dict[str, Any]) -> None:
    ours = fields(COLOUR, **settings)
    if not settings:
        ours.read({"vrijevelden": []}, "a")
    ours.read({"id": "b"}, "b")
    ours.check_seen(["id"])


def test_where_none_are_wanted_nothing_is_looked_at() -> None:
    fields().check_seen(["id"])


def test_codes_that_hold_something_and_what_a_row_tells_of_them() -> None:
    row = {
        "vrijevelden": [
            item(COLOUR, "rood", vertrouwelijk=False),
            item(NUMBER, None, vertrouwelijk=True),
            item("VrijveldX", 0),
        ]
    }
    assert free_codes(row) == [COLOUR, "VrijveldX"]
    assert definitions(row) == {COLOUR.lower(): False, NUMBER.lower(): True}
