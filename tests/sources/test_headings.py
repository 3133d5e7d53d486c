"""Headings in Dutch and English, and as the mapping file says."""

from __future__ import annotations

import pytest

from moodle_coupling.errors import SourceError
from moodle_coupling.sources.headings import find_headings, plain_heading, recognised


@pytest.mark.parametrize(
    ("heading", "column"),
    [
        ("PersonId", "person_id"), ("persoon_id", "person_id"), ("ExternId", "extern_id"), ("EXTERN ID", "extern_id"),
        ("Externe-ID", "extern_id"), ("Voornaam", "firstname"), ("First name", "firstname"), ("first_name", "firstname"),
        ("Tussenvoegsels", "infix"), ("Achternaam", "lastname"), ("Surname", "lastname"), ("E-mail", "email1"),
        ("e-mailadres", "email1"), ("E-mail 2", "email2"), ("email3", "email3"), ("Inactief", "inactive"),
        ("Categorieën", "categories"), ("Categorieen", "categories"), ("Vrijveld1", "free1"), ("Vrij veld 5", "free5"),
        (" Plaats ", "city"), ("Afdeling", "department"), ("lastname", "lastname"),
    ],
)  # fmt: skip
def test_recognises_dutch_and_english_headings(heading: str, column: str) -> None:
    cells = [heading] if column in {"person_id", "extern_id"} else ["PersonId", heading]
    assert find_headings(cells, {}, "f.csv").positions[column] == len(cells) - 1


def test_compares_without_case_spaces_dots_dashes_underscores_and_diacritics() -> None:
    assert plain_heading(" É-mail_ Adres. 1\u00a0") == plain_heading("emailadres1")


def test_takes_the_mappings_heading_over_the_usual_one() -> None:
    found = find_headings(
        ["Id", "Voornaam", "Roepnaam officieel", "Cursus"],
        {"firstname": "roepnaam  officieel", "course": "Cursus"},
        "f",
    )
    assert found.positions == {"person_id": 0, "firstname": 2, "course": 3}
    assert found.texts["course"] == "Cursus"


def test_a_heading_named_for_one_column_is_not_taken_for_another() -> None:
    assert find_headings(["Id", "Afdeling"], {"city": "Afdeling"}, "f").positions == {"city": 1, "person_id": 0}


def test_a_missing_heading_is_an_error_with_file_key_and_the_closest() -> None:
    with pytest.raises(
        SourceError, match=r"f\.csv: source\.columns\.free1 asks for the heading 'Opleidng'.*did you mean 'Opleiding'"
    ):
        find_headings(["Id", "Opleiding"], {"free1": "Opleidng"}, "f.csv")


def test_two_headings_for_one_column_are_an_error_that_names_both() -> None:
    with pytest.raises(SourceError, match=r"'Voornaam' \(column 2\) and 'Roepnaam' \(column 3\) both mean firstname"):
        find_headings(["Id", "Voornaam", "Roepnaam"], {}, "f.csv")


def test_two_equal_headings_are_an_error_only_when_they_are_used() -> None:
    with pytest.raises(SourceError, match="columns 2 and 3 are both called that"):
        find_headings(["Id", "Opmerking", "Opmerking"], {"note": "Opmerking"}, "f.csv")
    assert find_headings(["Id", "Opmerking", "Opmerking"], {}, "f.csv").positions == {"person_id": 0}


def test_a_file_without_any_id_is_an_error_that_lists_its_headings() -> None:
    with pytest.raises(SourceError, match=r"no column with an id of the person.*'Voornaam', 'Achternaam'"):
        find_headings(["Voornaam", "Achternaam"], {}, "f.csv")


def test_counts_what_it_knows() -> None:
    assert recognised(["Id", "Onbekend", "Cursus"], {"course": "cursus"}) == 2


UPLOAD = [
    "username",
    "firstname",
    "lastname",
    "email",
    "idnumber",
    "profile_field_Vip",
    "institution",
    "department",
    "city",
]
UPLOAD += ["country", "lang", "auth", "suspended"]


def test_the_headings_of_moodles_own_upload_are_known() -> None:
    names = [
        "username",
        "firstname",
        "lastname",
        "email1",
        "extern_id",
        "profile_field_Vip",
        "institution",
        "department",
    ]
    names += ["city", "country", "lang", "auth", "inactive"]
    assert find_headings(UPLOAD, {}, "f").positions == {name: at for at, name in enumerate(names)}
    assert recognised(UPLOAD, {}) == len(UPLOAD)


@pytest.mark.parametrize("heading", ["profile_field_", "profile_field_a b", "my_profile_field_a"])
def test_what_only_looks_like_a_profile_field_means_nothing(heading: str) -> None:
    assert find_headings(["Id", heading], {}, "f").positions == {"person_id": 0}


def test_an_idnumber_beside_an_extern_id_must_be_told_apart() -> None:
    with pytest.raises(SourceError, match="both mean extern_id"):
        find_headings(["idnumber", "ExternId"], {}, "f")
    assert find_headings(["idnumber", "ExternId"], {"person_id": "idnumber"}, "f").positions == {
        "person_id": 0,
        "extern_id": 1,
    }
