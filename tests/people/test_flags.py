"""Yes and no, however they are written; whatever is neither is not taken for no."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_coupling.contract.columns import FALSE_WORDS, TRUE_WORDS, read_flag

AROUND = ["", " ", "\t", "\u00a0", "\u200b", "\ufeff", "\u200e", "\u00ad", "\u3000", "\r\n"]


@pytest.mark.parametrize("around", AROUND, ids=ascii)
@pytest.mark.parametrize("word", [*TRUE_WORDS, "JA", "T", "1", "-1", "1.0", "1,00", "+1", "01", "-1.0"])
def test_yes(word: str, around: str) -> None:
    assert read_flag(f"{around}{word}{around}") is True


@pytest.mark.parametrize("around", AROUND, ids=ascii)
@pytest.mark.parametrize("word", [*FALSE_WORDS, "Nee", "F", "0", "0.0", "0,0", "00", "-0.0", ""])
def test_no(word: str, around: str) -> None:
    assert read_flag(f"{around}{word}{around}") is False


@pytest.mark.parametrize(
    "word", ["misschien", "\x01", "\x00", "\x1f", "\x85", "2", "10", "0.5", "1.5", "tf", "?", "-", "\ufffd", "1 0", "b'1'"], ids=ascii
)  # fmt: skip
def test_neither(word: str) -> None:
    assert read_flag(word) is None


@given(st.text(max_size=6))
def test_only_what_looks_empty_or_says_so_is_no(text: str) -> None:
    if read_flag(text) is False:
        seen = "".join(sign for sign in text if sign.isprintable() and not sign.isspace())
        assert not seen or read_flag(seen) is False
