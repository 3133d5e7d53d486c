"""Profile fields have types: what Moodle stores is compared with what it stores, and what it would bend is not sent."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from matching.people import account_of, accounts_of, mapping, person, persons_frame, reasons_frame

from moodle_coupling.contract.fields import ProfileType, date_stored, is_kept, is_that_date
from moodle_coupling.errors import MappingError
from moodle_coupling.matching.evidence import readable
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.words.sentence import ENGLISH

COLUMN = "profile_field_x"
MAY_1_AMSTERDAM, MAY_1_LONDON = "1714514400", "1714518000"


def planned(
    said: str, held: str | None = None, *, site: str = "", others: tuple[str, ...] = (), **setting: Any
) -> tuple[dict[str, Any], list[str]]:
    """Plan one person whose account holds ``held`` (None: there is no account); give the field's change and reason codes."""
    someone = person(1, **{COLUMN: said})
    accounts = [account_of(someone, **{COLUMN: held})] if held is not None else []
    accounts += [
        account_of(
            person(9), 90 + at, idnumber=f"O{at}", username=f"o{at}", email=f"o{at}@example.org", **{COLUMN: other}
        )
        for at, other in enumerate(others)
    ]
    frame = accounts_of(accounts)
    if not accounts:
        frame[COLUMN] = pd.Series(dtype="str")
    plan = make_plan(
        persons_frame([someone]),
        reasons_frame(),
        frame,
        mapping(profile_fields={"x": {"column": "free1"} | setting}),
        profile_types={"x": site} if site else {},
    )
    row = plan.iloc[0]
    return json.loads(row["changes"]), [reason["code"] for reason in json.loads(row["reasons"])]


def change(*args: Any, **options: Any) -> Any:
    return planned(*args, **options)[0].get(COLUMN)


class TestDates:
    @pytest.mark.parametrize("held", [MAY_1_AMSTERDAM, MAY_1_LONDON, "1714521600"])
    def test_the_same_date_is_not_written_again(self, held: str):
        assert change("2024-05-01", held, site="datetime") is None

    def test_another_date_is_written_as_moodle_takes_it(self):
        assert change("02-05-2024", MAY_1_AMSTERDAM, type="datetime", date_format="%d-%m-%Y") == [
            "2024-05-01",
            "2024-05-02",
        ]

    def test_a_date_with_midnight_behind_it_is_that_date(self):
        assert change("2024-05-01 00:00:00", MAY_1_AMSTERDAM, site="datetime") is None

    @pytest.mark.parametrize("said", ["01-05-2024", "2024/05/01", "2024-13-45", "gisteren", "1714514400"])
    def test_what_moodle_would_bend_is_not_sent_and_empties_nothing(self, said: str):
        assert planned(said, MAY_1_AMSTERDAM, site="datetime") == ({}, ["profile_field_no_date"])

    @pytest.mark.parametrize(
        ("said", "years"), [("1985-03-02", [1990, 2030]), ("2031-03-02", [1990, 2030]), ("0024-05-01", None)]
    )
    def test_a_year_that_moodle_would_move_is_not_sent(self, said: str, years: list[int] | None):
        options = {"years": years} if years else {}
        assert planned(said, MAY_1_AMSTERDAM, type="datetime", **options) == ({}, ["profile_field_year"])

    def test_a_moment_is_compared_in_the_sites_time_zone(self):
        moment = {"type": "datetime", "date_format": "%d-%m-%Y %H:%M", "time_zone": "Europe/Amsterdam"}
        assert change("01-05-2024 13:30", "1714563000", **moment) is None
        assert change("01-05-2024 14:00", "1714563000", **moment) == ["2024-05-01-13-30-00", "2024-05-01-14-00-00"]

    def test_an_emptied_date_is_emptied_once(self):
        assert change("", MAY_1_AMSTERDAM, site="datetime") == ["2024-05-01", ""]
        assert change("", "0", site="datetime") is None
        assert change("", "", site="datetime") is None

    def test_a_new_account_gets_the_date_as_moodle_takes_it(self):
        assert change("1-5-2024", type="datetime", date_format="%d-%m-%Y") == [None, "2024-05-01"]

    def test_where_nobody_says_the_type_the_very_date_is_no_difference(self):
        assert change("2024-05-01", MAY_1_AMSTERDAM) is None
        assert change("2024-05-02", MAY_1_AMSTERDAM) == [MAY_1_AMSTERDAM, "2024-05-02"]


class TestMenus:
    def test_an_option_that_is_known_is_written(self):
        assert change("Groen", "Rood", others=("Groen",), site="menu") == ["Rood", "Groen"]
        assert change("Groen", "Rood", type="menu", options=["Rood", "Groen"]) == ["Rood", "Groen"]

    @pytest.mark.parametrize("said", ["groen", " Groen", "Paars", "1"])
    def test_what_would_wipe_the_good_value_is_not_sent(self, said: str):
        assert planned(said, "Rood", type="menu", options=["Rood", "Groen"]) == ({}, ["profile_field_no_option"])

    def test_an_option_in_other_letter_case_gets_a_hint(self):
        someone = person(1, **{COLUMN: "groen"})
        plan = make_plan(
            persons_frame([someone]),
            reasons_frame(),
            accounts_of([account_of(someone, **{COLUMN: "Groen"})]),
            mapping(profile_fields={"x": {"column": "free1"}}),
            profile_types={"x": "menu"},
        )
        assert "Did you mean 'Groen'?" in readable(plan, ENGLISH)["reasons"].iloc[0]
        assert plan["changes"].iloc[0] == "{}"


class TestTicks:
    @pytest.mark.parametrize(
        ("said", "held"), [("ja", "1"), ("x", "1"), ("nee", "0"), ("", "0"), ("nee", ""), ("0", "0")]
    )
    def test_what_is_ticked_alike_is_not_written(self, said: str, held: str):
        assert change(said, held, site="checkbox") is None

    def test_yes_and_no_become_1_and_0(self):
        assert change("ja", "0", site="checkbox") == ["0", "1"]
        assert change("nee", "1", site="checkbox") == ["1", "0"]
        assert change("ja", "ja", site="checkbox") == ["ja", "1"]
        assert change("nee", type="checkbox") == [None, "0"]

    def test_what_is_neither_yes_nor_no_is_not_sent(self):
        assert planned("misschien", "1", site="checkbox") == ({}, ["profile_field_no_flag"])

    def test_an_untouched_tick_counts_as_empty(self):
        assert change("ja", "0", site="checkbox", write="if_empty") == ["", "1"]
        assert change("nee", "1", site="checkbox", write="if_empty") is None
        assert change("nee", "", site="checkbox", write="if_empty") is None


@pytest.mark.parametrize("site", ["text", "textarea", "social", "", "autocomplete"])
def test_a_text_stays_as_it_is(site: str):
    assert change("ja", "nee", site=site) == ["nee", "ja"]


def test_a_type_that_the_site_contradicts_stops_the_run():
    with pytest.raises(MappingError, match=r"profile_fields\.x\.type is 'datetime', and in Moodle .* 'menu'"):
        planned("2024-05-01", "Rood", site="menu", type="datetime")


def test_one_kind_of_text_may_be_another():
    assert change("a", "b", site="textarea", type="text") == ["b", "a"]


@pytest.mark.parametrize(
    ("stored", "zone", "sent"),
    [
        (MAY_1_AMSTERDAM, "", "2024-05-01"),
        (MAY_1_AMSTERDAM, "Europe/Amsterdam", "2024-05-01"),
        ("1714561200", "Pacific/Auckland", "2024-05-01-23-00-00"),
        ("1714478400", "Pacific/Auckland", "2024-05-01"),
        ("0", "", ""),
        ("", "", ""),
        ("-86400", "", "1969-12-31"),
        ("niets", "", "niets"),
    ],
)
def test_a_stored_date_is_read_as_it_is_sent(stored: str, zone: str, sent: str):
    assert date_stored(stored, zone) == sent


@pytest.mark.parametrize(
    ("stored", "sent", "same"),
    [
        ("1714518000", "2024-05-01", True),
        ("816307200", "01-05-2024", False),
        ("1739491200", "2024-13-45", False),
        ("636336000", "1985-03-02", False),
        ("1714566600", "2024-05-01-13-30-00", True),
        ("1714518000", "2024-05-01-13-30-00", False),
    ],
)
def test_a_timestamp_is_recognised_whatever_the_time_zone(stored: str, sent: str, same: bool):
    assert is_that_date(stored, sent) is same


@pytest.mark.parametrize(
    ("type_", "stored", "sent", "kept"),
    [
        (ProfileType.MENU, "", "groen", False),
        (ProfileType.MENU, "Groen", "Groen", True),
        (ProfileType.CHECKBOX, "", "0", True),
        (ProfileType.CHECKBOX, "0", "1", False),
        (ProfileType.DATETIME, "1890691200", "gisteren", False),
        (ProfileType.DATETIME, "", "", True),
        (ProfileType.TEXT, "  twee  ", "twee", True),
        (ProfileType.TEXT, "a", "b", False),
    ],
)
def test_what_was_sent_is_kept_or_not(type_: str, stored: str, sent: str, kept: bool):
    assert is_kept(type_, stored, sent) is kept
