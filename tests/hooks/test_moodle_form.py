"""Parameters as PHP reads them."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_coupling.hooks.moodle.records import body_size, count_variables, encode, flatten, form_of


def test_lists_and_mappings_become_php_names() -> None:
    users = [{"id": 5, "customfields": [{"type": "ward", "value": "A"}]}, {"id": 6}]
    assert flatten({"users": users}) == [
        ("users[0][id]", "5"),
        ("users[0][customfields][0][type]", "ward"),
        ("users[0][customfields][0][value]", "A"),
        ("users[1][id]", "6"),
    ]


def test_booleans_become_one_and_zero_since_moodle_refuses_the_words() -> None:
    assert flatten({"a": True, "b": [False]}) == [("a", "1"), ("b[0]", "0")]


def test_none_is_left_out_and_an_empty_text_is_not() -> None:
    assert flatten({"a": None, "b": "", "c": [], "d": {}}) == [("b", "")]


def test_a_value_no_form_can_hold_is_named() -> None:
    with pytest.raises(TypeError, match=r"users\[0\]\[born\]"):
        flatten({"users": [{"born": object()}]})


def test_the_token_stands_behind_everything_since_php_drops_what_comes_last() -> None:
    form = form_of("T", "core_user_get_users", {"criteria": [{"key": "id", "value": 1}]})
    assert [name for name, _ in form] == [
        "wsfunction",
        "moodlewsrestformat",
        "criteria[0][key]",
        "criteria[0][value]",
        "wstoken",
    ]


def test_variables_are_counted_as_php_counts_them() -> None:
    # Recording 212: 900 accounts of 6 fields were cut at 5000.
    assert count_variables({"users": [dict.fromkeys("abcdef", "x")] * 900}) == 3 + 900 * 6


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="[]"), min_size=1),
        st.text(st.characters(codec="utf-8")),
    )
)
def test_whatever_text_goes_in_comes_out_again(params: dict[str, str]) -> None:
    form = flatten(params)
    body = encode(form)
    assert parse_qsl(body.decode("ascii"), keep_blank_values=True) == form
    assert body_size(params) == len(body)


def test_text_that_is_no_valid_unicode_is_sent_with_a_replacement() -> None:
    assert encode([("a", "x\ud800y")]) == b"a=x%3Fy"
