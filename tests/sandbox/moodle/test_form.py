"""Forms are read as PHP reads them."""

from __future__ import annotations

import pytest

from moodle_coupling.sandbox.moodle.php import read_form

FORM = "application/x-www-form-urlencoded"


def read(body="", query="", *, content_type=FORM, max_input_vars=5000, post_max_size=8_000_000):
    data = body if isinstance(body, bytes) else body.encode()
    form = read_form(query, content_type, data, max_input_vars=max_input_vars, post_max_size=post_max_size)
    return form.values, form.warnings


@pytest.mark.parametrize(
    ("body", "values"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2", {"a": "2"}),
        ("a", {"a": ""}),
        ("=x&&a=1", {"a": "1"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=Jan+P%C3%A9t", {"a": "Jan Pét"}),
        ("a[b][c]=1&a[b][d]=2", {"a": {"b": {"c": "1", "d": "2"}}}),
        ("a[]=x&a[]=y", {"a": {0: "x", 1: "y"}}),
        ("a[5]=x&a[]=y&a[2]=z", {"a": {5: "x", 6: "y", 2: "z"}}),
        ("a[05]=x&a[-3]=y", {"a": {"05": "x", -3: "y"}}),
        ("a[][n]=x&a[][n]=y", {"a": {0: {"n": "x"}, 1: {"n": "y"}}}),
        ("a=1&a[b]=2", {"a": {"b": "2"}}),
        ("a[b]=2&a=1", {"a": "1"}),
        ("a.b=1&c d=2", {"a_b": "1", "c_d": "2"}),
        ("a[b.c]=1", {"a": {"b.c": "1"}}),
        ("a[b]c=1", {"a": {"b": "1"}}),
        ("a[b=1", {"a_b": "1"}),
        ("[a]=1", {}),
        (" a=1", {"a": "1"}),
        ("a%00b=1", {"a": "1"}),
    ],
)
def test_names_become_nested_arrays(body, values):
    assert read(body)[0] == values


def test_the_order_of_an_array_is_that_of_arrival():
    assert list(read("a[9]=x&a[1]=y&a[5]=z")[0]["a"].values()) == ["x", "y", "z"]


def test_bytes_that_are_no_utf8_are_kept_to_be_refused_later():
    assert read(b"a=Ja%E9n")[0]["a"] == "Ja\udce9n"


def test_the_body_wins_from_the_query_and_both_count():
    assert read("a=body", "a=query&b=query")[0] == {"a": "body", "b": "query"}


def test_a_body_of_another_kind_is_not_read():
    assert read('{"a": 1}', "b=2", content_type="application/json") == ({"b": "2"}, ())


def test_a_multipart_form_is_read():
    body = b'--X\r\nContent-Disposition: form-data; name="a[b]"\r\n\r\nJ\xc3\xa4n\r\n--X--\r\n'

    assert read(body, content_type="multipart/form-data; boundary=X")[0] == {"a": {"b": "Jän"}}


def test_of_too_many_fields_one_more_than_allowed_is_kept_and_the_rest_is_gone():
    values, warnings = read("a=1&b=2&c=3&d=4", max_input_vars=2)

    assert values == {"a": "1", "b": "2", "c": "3"}
    assert "Input variables exceeded 2." in warnings[0]


def test_of_too_many_fields_in_the_query_exactly_as_many_as_allowed_are_kept():
    assert read("", "a=1&b=2&c=3", max_input_vars=2)[0] == {"a": "1", "b": "2"}


def test_a_body_that_is_too_large_is_gone_altogether():
    values, warnings = read("a=1&b=2", "c=3", post_max_size=6)

    assert values == {"c": "3"}
    assert "POST Content-Length of 7 bytes exceeds the limit of 6 bytes" in warnings[0]
