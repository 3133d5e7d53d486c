"""Values are cleaned, compared and judged as PHP, Moodle and MariaDB do."""

from __future__ import annotations

import pytest

from moodle_coupling.sandbox.moodle.cleaning import ParamType, clean, is_valid_email
from moodle_coupling.sandbox.moodle.database import collation_key, like
from moodle_coupling.sandbox.moodle.php import json_encode, loosely_equal, print_r, strip_tags, to_int
from moodle_coupling.sandbox.moodle.site import SiteSettings


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        ("Jan", "Jan"),
        ("<b>Jan</b>", "Jan"),
        ("A < B", "A < B"),
        ("A <B", "A "),
        ("A <", "A "),
        ("A > B", "A > B"),
        ("I <3 you", "I "),
        ("a<!-- b > c -->d", "ad"),
        ("a<?php b ?>c", "ac"),
        ("a<b title='>'>c", "ac"),
        ("a<b<c>>d", "ad"),
        ("a\0b", "ab"),
    ],
)
def test_tags_are_stripped_as_php_does(text, stripped):
    assert strip_tags(text) == stripped


@pytest.mark.parametrize(
    ("kind", "value", "cleaned"),
    [
        ("int", "12abc", 12),
        ("int", "abc", 0),
        ("int", "-5", -5),
        ("int", "1e3", 1000),
        ("int", "9" * 30, 2**63 - 1),
        ("bool", "YES", 1),
        ("bool", "off", 0),
        ("bool", "0", 0),
        ("bool", "x", 1),
        ("alpha", "custom-field1", "customfield"),
        ("alphanumext", "a b-c_1!", "ab-c_1"),
        ("username", " Jan Jänsen+1@x ", "janjnsen1@x"),
        ("raw_trimmed", " a\t", "a"),
        ("auth", "manual", "manual"),
        ("auth", "Manual", ""),
        ("auth", "saml2", ""),
        ("lang", "en", "en"),
        ("lang", "nl", ""),
        ("theme", "boost", "boost"),
        ("timezone", "Europe/Amsterdam", "Europe/Amsterdam"),
        ("timezone", "99", "99"),
        ("timezone", "+1.5", "+1.5"),
        ("timezone", "a b", ""),
        ("text", '<span lang="nl" class="multilang">x</span>', '<span lang="nl" class="multilang">x</span>'),
        ("text", "<span>x</span>", "x"),
        ("text", '<lang lang="nl">x</lang>', '<lang lang="nl">x</lang>'),
        ("text", "</lang>x", "x"),
        ("text", "<i>x</i>", "x"),
        ("plugin", "a___b", ""),
    ],
)
def test_a_parameter_is_cleaned_by_its_type(kind, value, cleaned):
    assert clean(value, ParamType(kind), SiteSettings()) == cleaned


def test_with_extended_characters_only_capitals_and_outer_spaces_go():
    assert clean(" José +1 ", ParamType.USERNAME, SiteSettings(extendedusernamechars=True)) == "josé +1"


@pytest.mark.parametrize(
    "address",
    [
        "jan@example.org",
        "jan+piet@example.org",
        "o'brien@example.org",
        "JAN@EXAMPLE.ORG",
        "a.b-c_d@sub.example.co.uk",
        '"janjansen"@example.org',
        "jan@[127.0.0.1]",
        "jan@xn--exmple-cua.org",
        "x" * 64 + "@example.org",
    ],
)
def test_an_address_moodle_takes(address):
    assert is_valid_email(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "jan",
        "jan@",
        "@example.org",
        "jan@localhost",
        "jan@@example.org",
        "jan jansen@example.org",
        '"jan jansen"@example.org',
        "jan@example.org.",
        ".jan@example.org",
        "jan.@example.org",
        "jan..piet@example.org",
        "jan@exämple.org",
        "jän@example.org",
        "jan@-example.org",
        "jan@example-.org",
        "jan@exa_mple.org",
        "jan@example.1org",
        "jan<b>@example.org",
        "jan@example.org\n",
        "jan,piet@example.org",
        "x" * 65 + "@example.org",
        f"jan@{'x' * 64}.org",
    ],
)
def test_an_address_moodle_refuses(address):
    assert not is_valid_email(address)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CV-1", "cv-1"),
        ("CV-1", "CV-1  "),
        ("José", "jose"),
        ("Müller", "MULLER"),
        ("Straße", "STRASSE"),
        ("Søren", "soren"),
        ("Łukasz", "lukasz"),
        ("İstanbul", "istanbul"),
        ("Ώμέγα", "ωμεγα"),
        ("😀", "👍"),
        ("a\u00a0b", "a b"),
        ("a\u200db", "ab"),
    ],
)
def test_two_texts_that_are_one_to_mariadb(one, other):
    assert collation_key(one) == collation_key(other)


@pytest.mark.parametrize(("one", "other"), [("CV-1", " CV-1"), ("a-b", "ab"), ("a", "😀"), ("", "a"), ("o", "0")])
def test_two_texts_that_differ_to_mariadb(one, other):
    assert collation_key(one) != collation_key(other)


@pytest.mark.parametrize(
    ("value", "pattern", "fits"),
    [
        ("jan@example.org", "JAN@%", True),
        ("jan@example.org", "jan@example_org", True),
        ("jan@example.org", "jan", False),
        ("jan_piet", r"jan\_piet", True),
        ("janxpiet", r"jan\_piet", False),
        ("josé", "jose", False),
        ("a\nb", "a%b", True),
    ],
)
def test_a_search_knows_wildcards(value, pattern, fits):
    assert like(value, pattern) is fits


@pytest.mark.parametrize(
    ("sent", "cleaned", "equal"),
    [("51", 51, True), (" 51", 51, True), ("51.0", 51, True), ("51abc", 51, False), ("1e2", 100, True), ("", 0, False)],
)
def test_an_id_is_compared_loosely(sent, cleaned, equal):
    assert loosely_equal(sent, cleaned) is equal


def test_a_number_at_the_start_counts():
    assert [to_int(text) for text in ("  7 x", "7.9", "x7", "1e400")] == [7, 7, 0, 0]


def test_json_is_written_as_php_does():
    assert json_encode({"a": "é/😀"}) == '{"a":"\\u00e9\\/\\ud83d\\ude00"}'
    assert json_encode({"a": "Ja\udce9n"}) == ""


def test_an_array_is_printed_as_php_does():
    assert print_r({"a": {0: "x"}}) == "Array\n(\n    [a] => Array\n        (\n            [0] => x\n        )\n\n)\n"
