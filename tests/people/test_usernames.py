"""The five recipes, step by step, on real names and on whatever Unicode there is."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_coupling.mapping import Username, UsernameRecipe
from moodle_coupling.people.arrow import to_texts
from moodle_coupling.people.usernames import base_usernames

ACCEPTED = re.compile(r"[a-z0-9._@-]{1,100}")
PERSON = {"firstname": "", "infix": "", "lastname": "", "initials": "", "email": "", "extern_id": ""}


def make(
    recipe: str = "first_infix_last", *, separator: str = "-", own: dict[str, str] | None = None, **person: str
) -> str:
    settings = Username(recipe=UsernameRecipe(recipe), separator=separator, transliterate=own or {})
    return str(base_usernames({name: to_texts([text]) for name, text in (PERSON | person).items()}, settings)[0])


@pytest.mark.parametrize(
    ("first", "infix", "last", "username"),
    [
        ("Jan", "", "Jansen", "jan-jansen"),
        ("Jan", "van der", "Berg", "jan-vander-berg"),
        ("Anne-Marie", "", "Jansen-de Boer", "anne-marie-jansen-deboer"),
        ("Joke", "'t", "Hart", "joke-t-hart"),
        ("Gabriele", "d'", "Ancona", "gabriele-d-ancona"),
        ("Zoë", "", "Núñez", "zoe-nunez"),
        ("Jürgen", "", "Groß", "jurgen-gross"),
        ("Şule", "", "Yılmaz", "sule-yilmaz"),
        ("İbrahim", "", "Çağlar", "ibrahim-caglar"),
        ("Łukasz", "", "Wójcik", "lukasz-wojcik"),
        ("Ελένη", "", "Παπαδοπούλου", "elene-papadopoulou"),
        ("小明", "", "王", "xiaoming-wang"),
        ("محمد", "", "حسن", "mhmd-hsn"),
        ("Søren", "", "Kierkegård", "soren-kierkegard"),
        ("Sinéad", "", "O'Connor", "sinead-oconnor"),
        ("Sinéad", "", "O’Connor", "sinead-oconnor"),
        ("JAN", "VAN", "DIJK", "jan-van-dijk"),
        ("Jan Willem", "", "de Vries", "janwillem-devries"),
        ("", "van", "Dijk", "van-dijk"),
        ("Jan", "van", "", "jan-van"),
        ("-Jan-", "", "--Jansen", "jan-jansen"),
        ("😀", "", "☂", ""),
        ("", "", "", ""),
        ("-", "", ".", ""),
    ],
)
def test_first_infix_last(first: str, infix: str, last: str, username: str) -> None:
    assert make(firstname=first, infix=infix, lastname=last) == username


@pytest.mark.parametrize(
    ("recipe", "username"),
    [
        ("email", "j.vanderberg@example.org"),
        ("first_infix_last", "jean-pierre-vander-berg"),
        ("initials_infix_last", "j.p.-vander-berg"),
        ("initial_infix_last", "j-vander-berg"),
        ("extern_id", "cv-00042"),
    ],
)
def test_every_recipe(recipe: str, username: str) -> None:
    person = {
        "firstname": "Jean-Pierre",
        "infix": "van der",
        "lastname": "Berg",
        "initials": "J.P.",
        "email": "J.van+derBerg@Example.org",
        "extern_id": "CV-00042",
    }
    assert make(recipe, **person) == username


@pytest.mark.parametrize(
    ("separator", "username"),
    [("-", "jan-piet-van-dijk"), (".", "jan-piet.van.dijk"), ("_", "jan-piet_van_dijk"), ("", "jan-pietvandijk")],
)
def test_the_separator_stands_between_parts_only(separator: str, username: str) -> None:
    assert make(separator=separator, firstname="Jan-Piet", infix="van", lastname="Dijk") == username


def test_initials_that_are_missing_make_no_username() -> None:
    assert make("initials_infix_last", firstname="Jan", lastname="Dijk") == ""


@pytest.mark.parametrize(
    ("initials", "first", "username"),
    [("Th.", "Dora", "t-dijk"), ("", "Özgür", "o-dijk"), ("Ü", "", "u-dijk"), ("", "", "dijk"), ("-", "Jan", "j-dijk")],
)
def test_the_initial_is_of_the_initials_else_of_the_first_name(initials: str, first: str, username: str) -> None:
    assert make("initial_infix_last", initials=initials, firstname=first, lastname="Dijk") == username


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("name", ["Müller", "MÜLLER", "müller"])
def test_the_mappings_own_letters_go_first_in_either_case_and_form(form: str, name: str) -> None:
    own = {unicodedata.normalize(form, "ü"): "ue"}
    assert make(own=own, firstname=unicodedata.normalize(form, name), lastname="Öz") == "mueller-oz"


def test_own_letters_are_replaced_once_and_the_longest_first() -> None:
    assert make(own={"ij": "y", "j": "i", "y": "q"}, firstname="Ijsbrand", lastname="Jay") == "ysbrand-iaq"


def test_own_letters_do_not_touch_the_separator() -> None:
    assert make(own={"-": "x"}, firstname="Jan-Piet", lastname="Dijk") == "janxpiet-dijk"


def test_is_cut_at_100() -> None:
    assert make(firstname="a" * 60, lastname="b" * 60) == "a" * 60 + "-" + "b" * 39


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=120)


@given(
    st.lists(st.fixed_dictionaries(dict.fromkeys(PERSON, texts)), min_size=1, max_size=4),
    st.sampled_from(list(UsernameRecipe)),
    st.sampled_from(["-", ".", "_", ""]),
    st.dictionaries(texts.filter(bool), st.text(st.characters(max_codepoint=127), max_size=4), max_size=3),
)
def test_whatever_goes_in_a_username_is_empty_or_good_for_moodle(
    people: list[dict[str, str]], recipe: UsernameRecipe, separator: str, own: dict[str, str]
) -> None:
    settings = Username.model_construct(recipe=recipe, separator=separator, transliterate=own, rename=False)
    columns = {name: to_texts([person[name] for person in people]) for name in PERSON}
    for username in base_usernames(columns, settings).to_pylist():
        assert username == "" or ACCEPTED.fullmatch(username)
        if separator and len(username) < 100:
            assert separator * 2 not in username
            assert username == username.strip(separator)
