"""Regular expressions of the mapping file: they mean what Python means, and no text makes them slow."""

from __future__ import annotations

import re
import time

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_coupling.errors import MappingError
from moodle_coupling.mapping.expressions import NoPattern, linear_pattern
from moodle_coupling.mapping.parts import Condition
from moodle_coupling.people.arrow import to_texts
from moodle_coupling.people.rules import holds

PATTERNS = (
    "", "a", ".", "[0-9]{4,8}", "A|B.*", r"\d+", r"\D+", r"\w+", r"\W+", r"\s", r"\S+", r"[\s\S]*", r"[^\W]", r"[\W_]+", r"a|\W", r"[^\w]", r"[\w.-]+@[\w.]+",
    r"[\d\s]+", r"[^\d]+", r"a{,3}", r"a{ ,3}", "a{2}", "a{2,}", "a*?b", "a??", "(a+)+", "(?i)jansen", "(?i)é", "(?i)[a-z]+", "(?i)i+", "(?i)ı",
    "(?i)[^i]", "(?i:A)b", "(?i)a(?-i:b)", "(?s).", "(?a)\\w+", "(?a)\\d", "(?x) a # b\n b", "(?#why)a", "^a$", r"\Aa\Z", r"\u00e9|\xe9", "[]a]", "[^]a]",
    r"[\]\-\\^]+", r"\.", r"[\b]", "(?P<n>a)b", "(?:ab|cd)+", "a||b", "()", "K", "(?i)k", "(?i)ß", "(?i)ſ", "[a-c-e]", "[é-ü]+", r"\N{LATIN SMALL LETTER E WITH ACUTE}",
    "(?m)^a$", "[^a]", "(?i)[^a]", "{", "a{x}", r"\ ", r"\_", "٣", "[Ā-ſ]+", "(?i)[Ā-ſ]+",
)  # fmt: skip
TEXTS = (
    "", "a", "A", "b", "ab", "AB", "aB", "aa", "aaa", "aaaa", "aab", "ba", "é", "É", "e", "é", "i", "I", "İ", "ı", "k", "K", "\u212a", "s", "S", "ſ", "ß", "ẞ", "ü",
    "٣", "12", "12345", "123456789", "_", " ", "\u00a0", "\u3000", "\x1c", "\x85", "-", "]", "\\", "^", ".", "@", "jan@example.org", "JANSEN", "Janßen",
    "jansen", "B|C", "BC", "cd", "abcd", "a{x}", "{", "a{ ,3}", "\b", "😀", "中", "½", "Ⅷ", "a b", "a\nb", "ā", "Ž", "cde", "ace", "d",
)  # fmt: skip


def found(pattern: str, texts: list[str]) -> list[bool]:
    return holds(Condition(column="free1", matches=pattern), to_texts(texts), "scope.include[0]").tolist()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_it_matches_what_python_matches(pattern: str) -> None:
    assert found(pattern, list(TEXTS)) == [re.fullmatch(pattern, text) is not None for text in TEXTS]


LETTERS = "aAbiIıİkK\u212asSſßéÉ٣1_ -.|中"
ATOMS = st.sampled_from(
    [re.escape(letter) for letter in LETTERS]
    + [".", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", "[ab]", "[^ab]", "[a-k]", "[^i]", r"[\d\w]"]
)
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda some: f"(?:{'|'.join(some)})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{,2}", "*?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
        inner.map(lambda one: f"(?i:{one})"),
        inner.map(lambda one: f"({one})"),
    ),
    max_leaves=6,
)


@given(EXPRESSIONS, st.lists(st.text(LETTERS, max_size=5), min_size=1, max_size=20))
def test_any_expression_matches_what_python_matches(pattern: str, texts: list[str]) -> None:
    assert found(pattern, texts) == [re.fullmatch(pattern, text) is not None for text in texts]


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(?=a)b", "looks ahead"),
        ("(?!a)b", "looks ahead"),
        ("(?<=a)b", "looks ahead or behind"),
        (r"(a)\1", "refers back"),
        ("(?P<n>a)(?P=n)", "refers back"),
        ("(a)?(?(1)b|c)", "depends on whether a group matched"),
        ("(?>a)", "atomic"),
        ("a++", "possessive"),
        (r"\bArts\b", "edge of a word"),
        (r"[^\Wa]", "in brackets"),
        ("a{1001}", "more than 1000 times"),
        ("((a{100}){100}){100}", "more than 1000 times"),
        (r"\w{900}", "too large"),
        ("(?ai)k", "ASCII only"),
        ("\ud800", "surrogates"),
        ("(", "not a regular expression"),
        ("[[a]", "not a regular expression"),
        ("(" * 5000 + ")" * 5000, "not a regular expression"),
    ],
)
def test_what_cannot_run_in_steady_time_is_refused_when_the_file_is_read(pattern: str, why: str) -> None:
    with pytest.raises(NoPattern, match=why):
        linear_pattern(pattern)
    with pytest.raises(ValueError, match=why):
        Condition(column="free1", matches=pattern)
    unread = Condition.model_construct(
        column="free1", matches=pattern, equals=None, not_equals=None, any_of=None, none_of=None, not_empty=None
    )
    with pytest.raises(MappingError, match=rf"scope\.include\[0\]\.matches.*{why}"):
        holds(unread, to_texts(["a"]), "scope.include[0]")


@pytest.mark.parametrize(
    "pattern",
    ["(?i)" + "k" * 900, r"\w{300}", "a{1000}", r"(\d{20}){20}", r"\D{900}", r"[\s\S]{1000}", "(a{1,30}){1,30}"],
)
def test_what_is_accepted_is_one_for_the_engine_too(pattern: str) -> None:
    assert pc.match_substring_regex(pa.array([""]), linear_pattern(pattern))[0].as_py() is False


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*b", "(a*)*b", "(.*)*x", r"(\w+\s?)*!", "(a|aa)+$", "(?i)(a+)+$", "(.*a){12}"]
)
def test_the_work_grows_with_a_text_however_hostile(pattern: str) -> None:
    def seconds(size: int) -> float:
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            found(pattern, ["a" * size + "?\x01", "aa " * (size // 3) + "\x01"])
            best = min(best, time.process_time() - began)
        return best

    # Below a few milliseconds a machine's noise is larger than the work.
    assert seconds(800_000) < 24 * max(seconds(100_000), 0.002)
