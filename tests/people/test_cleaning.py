"""What cleaning does to a name, and what it leaves alone."""

from __future__ import annotations

import unicodedata

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_coupling.people.arrow import to_texts
from moodle_coupling.people.cleaning import clean_one, clean_text, with_particles


@pytest.mark.parametrize(
    ("written", "clean"),
    [
        ("  Jan  Piet ", "Jan Piet"),
        ("Jan\u00a0Piet", "Jan Piet"),
        ("Jan\u2009\u3000Piet", "Jan Piet"),
        ("Jan\tPiet\r\nKees", "Jan Piet Kees"),
        ("\ufeffJan\u200b", "Jan"),
        ("Ja\u00adn", "Jan"),
        ("\u202aJan\u202c\u200e", "Jan"),
        ("Ja\x00n\x07", "Jan"),
        ("Jo\u200cse\u0301", "José"),
        ("Zoe\u0308", "Zoë"),
        ("علی\u200cرضا", "علی\u200cرضا"),
        ("JANSEN", "JANSEN"),
        ("van der Berg", "van der Berg"),
        ("’t Hart", "’t Hart"),
        ("\u00a0\u200b ", ""),
        ("Null", "Null"),
        ("Łukasz", "Łukasz"),
    ],
)
def test_cleans(written: str, clean: str) -> None:
    assert clean_one(written) == clean
    assert clean_text(pd.Series(["x", written, ""], dtype="str")).tolist() == ["x", clean, ""]


def test_keeps_the_index_and_makes_absent_empty() -> None:
    cleaned = clean_text(pd.Series([" a", None], index=[7, 9], dtype="object"))
    assert cleaned.to_dict() == {7: "a", 9: ""}
    assert str(cleaned.dtype) == "str"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=8))
def test_cleaning_twice_changes_nothing_more(texts: list[str]) -> None:
    once = clean_text(pd.Series(texts, dtype="str"))
    assert clean_text(once).tolist() == once.tolist()
    assert once.tolist() == [clean_one(text) for text in texts]
    for text in once:
        assert unicodedata.is_normalized("NFC", text)
        assert text == " ".join(text.split())


@pytest.mark.parametrize(
    ("infix", "lastname", "expected"),
    [
        ("", "Jansen", "Jansen"),
        ("van der", "Berg", "van der Berg"),
        ("'t", "Hart", "'t Hart"),
        ("’t", "Hart", "’t Hart"),
        ("in 't", "Veld", "in 't Veld"),
        ("d'", "Ancona", "d'Ancona"),
        ("d’", "Ancona", "d’Ancona"),
        ("dell'", "Acqua", "dell'Acqua"),
        ("VAN", "DIJK", "VAN DIJK"),
        ("van", "", ""),
    ],
)
def test_puts_particles_in_front(infix: str, lastname: str, expected: str) -> None:
    assert with_particles(to_texts([infix]), to_texts([lastname])).to_pylist() == [expected]
