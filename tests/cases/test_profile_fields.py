"""Profile fields of a Moodle whose types a preview with a file of accounts does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_date_that_moodle_holds_as_a_timestamp_is_no_difference(preview: Callable[..., object]) -> None:
    shown = preview("profile-date")
    assert shown.rows["A1"]["changes"] == {}
    assert shown.rows["A1"]["action"] == "none"


@pytest.mark.parametrize(
    ("said", "changes", "codes"),
    [
        ("01-05-2024", {}, []),
        ("02-05-2024", {"profile_field_cf1": ["2024-05-01", "2024-05-02"]}, []),
        ("2024-05-01", {}, ["profile_field_no_date"]),
    ],
)
def test_a_date_is_read_as_the_mapping_says(
    preview: Callable[..., object], tmp_path: Path, said: str, changes: dict[str, list[str]], codes: list[str]
) -> None:
    persons = tmp_path / "persons.csv"
    persons.write_text(
        "PersonId;ExternId;Voornaam;Tussenvoegsel;Achternaam;E-mail;Plaats;Vrijveld1\n"
        f"1;A1;Jan;;Jansen;jan@example.org;Ede;{said}\n"
    )
    shown = preview("profile-date-declared", str(persons))
    assert shown.rows["A1"]["changes"] == changes
    assert shown.codes("A1") == codes
