"""What cleaning does to a name, and what it leaves alone."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_coupling.people.arrow import to_texts
from moodle_coupling.people.cleaning import clean_one, clean_text, damaged

if TYPE_CHECKING:
    from collections.abc import Callable


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
    "text",
    [
        "M\ufffdller", "ZoÃ«", "JÃ¶nsson", "BesanÃ§on", "cafÃ©", "Ã\x81lvarez", "Ãlvarez\x81", "AdriÃ\u00a0", "voilÃ ", "Å\x81ukasz", "Åukasz\x8d",
        "ErdoÄŸan", "È™tefan", "ÃƒÂ«", "dâ€™Ancona", "d\x92Ancona", "Nguyá»…n", "Ð˜Ð²Ð°Ð½", "Î‘Î½Î½Î±", "æ\x9d\x8e", "å±±ç”°",
        "Zo├½", "Zo√´", "25Â°", "Jan_x000D_", "Jan\u00a0Ã«", "ï»¿Jan",
    ],
)  # fmt: skip
def test_what_was_read_in_another_encoding_is_damaged(text: str) -> None:
    assert damaged(to_texts(["Jan", text, ""])).tolist() == [False, True, False]


@pytest.mark.parametrize(
    "text",
    [
        "JOÃO", "SÃO PAULO", "João", "ÅSE", "Åse", "ÄNGLAMARK", "ÂNGELA", "RENÉ’S CAFÉ", "CAFÉ “DE ZON”", "«CAFÉ»", "NUÑEZ’", "MÍŠA", "ÇELİK", "ØRSTED",
        "Nguyễn", "Đặng", "Иван", "Άννα", "李", "山田", "علی‌رضا", "Zoë", "Łukasz", "Ștefan", "ĂLĂU", "BRĂILA", "ÎLE-DE-FRANCE", "d’Ancona", "25°", "Müller\u00a0", "İÑAKİ",
        "ÐÓRA", "Þór", "€ 10", "√ gedaan", "Ö–Z", "É…", "_x0041_", "Jan\x85Piet",
    ],
)  # fmt: skip
def test_a_name_in_any_language_is_not_damaged(text: str) -> None:
    assert damaged(to_texts(["Jan", text, ""])).tolist() == [False, False, False]


# Not š, ž and ÿ: their capitals behind Ã, Ä or Å are how other letters look that were read in another encoding (ÃŠ was Ê).
LOWER = "abcdefghijklmnopqrstuvwxyzàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþßāčđęğłńőřśťůźżșț"


@given(st.text(st.sampled_from(LOWER), min_size=1, max_size=8), st.sampled_from([str.lower, str.upper, str.title]))
def test_a_word_in_one_case_or_with_a_capital_is_a_name(text: str, spelled: Callable[[str], str]) -> None:
    assert not damaged(to_texts([spelled(text)]))[0]


@given(st.text(st.sampled_from(LOWER[26:]), min_size=1, max_size=4), st.text(st.sampled_from("abc"), max_size=4))
def test_utf8_that_was_read_in_another_encoding_is_damaged(text: str, plain: str) -> None:
    for encoding in ("cp1252", "latin-1"):
        spoilt = "".join(_read(byte, encoding) for byte in (plain + text + plain).encode())
        assert damaged(to_texts([spoilt]))[0], spoilt


def _read(byte: int, encoding: str) -> str:
    return bytes([byte]).decode(encoding, "ignore") or chr(byte)
