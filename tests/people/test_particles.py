"""Particles in front of a surname, however a source writes them."""

from __future__ import annotations

import pytest

from moodle_coupling.people.arrow import to_texts
from moodle_coupling.people.cleaning import surnames


@pytest.mark.parametrize(
    ("infix", "lastname", "whole"),
    [
        ("", "Jansen", "Jansen"),
        ("van der", "Berg", "van der Berg"),
        ("'t", "Hart", "'t Hart"),
        ("’t", "Hart", "’t Hart"),
        ("in 't", "Veld", "in 't Veld"),
        ("d'", "Ancona", "d'Ancona"),
        ("d’", "Ancona", "d’Ancona"),
        ("dell'", "Acqua", "dell'Acqua"),
        ("'s-", "Gravenzande", "'s-Gravenzande"),
        ("al-", "Hassan", "al-Hassan"),
        ("VAN", "DIJK", "VAN DIJK"),
        ("van", "", ""),
        ("-", "Smit", "Smit"),
        ("–", "Smit", "Smit"),
        (".", "Smit", "Smit"),
        ("-", "", ""),
        ("van den", "van den Berg", "van den Berg"),
        ("de", "De Vries", "De Vries"),
        ("van", "van den Berg", "van den Berg"),
        ("'t", "'t Hart", "'t Hart"),
        ("d'", "d'Ancona", "d'Ancona"),
        ("al-", "al-Hassan", "al-Hassan"),
        ("van der", "Berg, van der", "van der Berg"),
        ("van der", "Berg, Van der", "van der Berg"),
        ("de", "Degroot", "de Degroot"),
        ("van", "Vanderbilt", "van Vanderbilt"),
        ("Van", "Van", "Van Van"),
        ("de", "Vries, van der", "de Vries, van der"),
    ],
)
def test_particles_stand_once_in_front(infix: str, lastname: str, whole: str) -> None:
    found = surnames(to_texts(["", infix]), to_texts(["Bos", lastname]))
    assert found.whole.to_pylist() == ["Bos", whole]


@pytest.mark.parametrize(
    ("infix", "lastname", "parts"),
    [
        ("van den", "van den Berg", ("van den", "Berg")),
        ("de", "De Vries", ("de", "Vries")),
        ("van der", "Berg, van der", ("van der", "Berg")),
        ("-", "Smit", ("", "Smit")),
        ("van", "", ("van", "")),
    ],
)
def test_a_username_is_made_of_the_same_parts_whoever_writes_them(infix: str, lastname: str, parts: tuple) -> None:
    found = surnames(to_texts([infix]), to_texts([lastname]))
    assert (found.infix[0].as_py(), found.surname[0].as_py()) == parts
