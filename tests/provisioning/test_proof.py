"""What was written to profile fields is read back on a sample: a value that Moodle bends is said, and not sent to anybody else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from matching.people import mapping
from provisioning.plans import change, codes, create, hook_for, load_rows, people_in, plan_of

from moodle_coupling.matching.plan import make_plan
from moodle_coupling.matching.selection import which_to_remember
from moodle_coupling.people.transform import transform
from moodle_coupling.provisioning.load.job import FIRST
from moodle_coupling.provisioning.load.loader import load
from moodle_coupling.provisioning.report import exceeds_tolerance, summary
from moodle_coupling.provisioning.snapshot.accounts import read_accounts
from moodle_coupling.sandbox.moodle import running_moodle
from moodle_coupling.sandbox.moodle.profile_fields import ProfileField
from moodle_coupling.words.sentence import ENGLISH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.sandbox.moodle import SandboxMoodle

FIELDS = [
    ProfileField("kleur", datatype="menu", options=("Rood", "Groen")),
    ProfileField("geboren", datatype="datetime", startyear=1990, endyear=2030),
    ProfileField("nieuwsbrief", datatype="checkbox"),
    ProfileField("functie"),
]


@pytest.fixture
def moodle() -> Iterator[SandboxMoodle]:
    with running_moodle(settings={"profile_fields": [field.__dict__ for field in FIELDS]}) as sandbox:
        yield sandbox


def held(moodle: SandboxMoodle, number: int) -> dict[str, str]:
    found: dict[str, str] = people_in(moodle)[f"CV-{number:05}"]["profile_fields"]
    return found


def coloured(moodle: SandboxMoodle, count: int) -> list[int]:
    return moodle.add_accounts(
        {
            "username": f"user{n:05}",
            "firstname": "Anna",
            "lastname": f"Bos{n}",
            "email": f"user{n:05}@example.org",
            "idnumber": f"CV-{n:05}",
            "profile_field_kleur": "Rood",
        }
        for n in range(1, count + 1)
    )


def recoloured(number: int, account: int, **more: str) -> dict[str, Any]:
    return change(number, account, profile_field_kleur=("Rood", "groen"), **more)


def test_a_value_that_moodle_wipes_is_said_and_sent_to_nobody_else(moodle: SandboxMoodle) -> None:
    ids = coloured(moodle, 20)
    rows = [recoloured(number, id_, city="Ede") for number, id_ in enumerate(ids, start=1)]
    result = load_rows(moodle, rows)

    assert list(result.outcomes["status"]) == ["done"] * 20
    assert list(result.outcomes["code"]) == ["value_not_kept"] * FIRST + ["value_withheld"] * (20 - FIRST)
    assert "Moodle holds '' in profile field 'kleur', where 'groen' was sent" in ENGLISH.say(
        result.outcomes["message"][0]
    )
    assert "Not sent: kleur" in ENGLISH.say(result.outcomes["message"][19])
    assert [person["city"] for person in people_in(moodle).values()] == ["Ede"] * 20
    assert held(moodle, 20)["kleur"] == "Rood"
    assert exceeds_tolerance(result.outcomes, 0.05)
    assert not which_to_remember(plan_of(rows), result.outcomes).any()
    said = summary(plan_of(rows), result.outcomes)
    assert "Moodle keeps another value (`value_not_kept`, done)" in said


def test_a_field_that_was_spoilt_once_is_left_off_new_accounts(moodle: SandboxMoodle) -> None:
    rows = [create(number, profile_field_geboren="1985-03-02", profile_field_functie="arts") for number in range(1, 5)]
    result = load_rows(moodle, rows, batch_size=1, parallel_requests=1)
    assert codes(result) == {1: "value_not_kept"} | dict.fromkeys((2, 3, 4), "value_withheld")
    assert held(moodle, 1)["geboren"] == "636336000"
    assert not held(moodle, 2).get("geboren")
    assert held(moodle, 4)["functie"] == "arts"


def test_whoever_would_get_nothing_else_is_skipped(moodle: SandboxMoodle) -> None:
    ids = coloured(moodle, 8)
    result = load_rows(moodle, [recoloured(number, id_) for number, id_ in enumerate(ids, start=1)])
    skipped = result.outcomes[result.outcomes["status"] == "skipped"]
    assert list(skipped["code"]) == ["value_withheld"] * (8 - FIRST)
    assert [held(moodle, int(number))["kleur"] for number in skipped["row"]] == ["Rood"] * (8 - FIRST)


def test_what_moodle_keeps_is_said_of_nobody_and_costs_few_calls(moodle: SandboxMoodle) -> None:
    said = {"kleur": "Groen", "geboren": "2024-05-01", "nieuwsbrief": "0", "functie": "arts"}
    new = {f"profile_field_{name}": value for name, value in said.items()}
    result = load_rows(moodle, [create(number, **new) for number in range(1, 121)], batch_size=20)
    assert codes(result) == {}
    assert result.calls["create"] == 6
    assert result.calls["read"] <= 3


def test_a_field_that_is_not_there_is_said(moodle: SandboxMoodle) -> None:
    result = load_rows(moodle, [create(1, profile_field_Kleur="Rood")])
    assert codes(result) == {1: "value_unseen"}
    assert "no field of that shortname" in ENGLISH.say(result.outcomes["message"][0])


PERSONS = [
    ("1", "Groen", "01-05-2024", "ja", "arts"),
    ("2", "Rood", "28-02-1999", "", ""),
    ("3", "rood", "31-02-2024", "misschien", "b"),
]


def persons() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"row": int(n), "person_id": n, "extern_id": f"CV-0000{n}", "firstname": "Anna", "lastname": f"Bos{n}",
             "email1": f"anna{n}@example.org", "free1": kleur, "free2": geboren, "free3": brief, "free4": functie}
            for n, kleur, geboren, brief, functie in PERSONS
        ]
    )  # fmt: skip


def test_what_was_written_once_is_not_written_again(moodle: SandboxMoodle) -> None:
    moodle.add_accounts(
        [{"username": "kees", "firstname": "Kees", "lastname": "Vis", "email": "kees@example.org", "idnumber": "CV-00009",
          "profile_field_kleur": "Groen", "profile_field_geboren": "641001600"}]
    )  # fmt: skip
    fields: dict[str, dict[str, Any]] = {
        "kleur": {"column": "free1", "type": "menu", "options": ["Rood", "Groen"]},
        "geboren": {"column": "free2", "type": "datetime", "date_format": "%d-%m-%Y", "years": [1990, 2030]},
        "nieuwsbrief": {"column": "free3"},
        "functie": {"column": "free4"},
    }
    settings = mapping(fields={"auth": {"value": "oidc"}}, profile_fields=fields)
    made = transform(persons(), settings)
    plans = []
    with hook_for(moodle) as hook:
        for _ in range(2):
            read = read_accounts(hook, made.candidates, full=True, untyped=settings.untyped)
            assert read.profile_types["nieuwsbrief"] == "checkbox"
            plan = make_plan(
                made.candidates, made.reasons, read.accounts, settings, full=True, profile_types=read.profile_types
            )
            plans.append(plan[plan["row"].notna()].reset_index(drop=True))
            result = load(plans[-1], hook)
            assert set(codes(result).values()) <= {"nothing_to_do"}
    assert list(plans[0]["action"]) == ["create"] * 3
    assert list(plans[1]["action"]) == ["none"] * 3
    assert [held(moodle, n).get("kleur", "") for n in (1, 2, 3)] == ["Groen", "Rood", ""]
    assert [held(moodle, n)["nieuwsbrief"] for n in (1, 2)] == ["1", "0"]
    told = {reason["code"] for text in plans[1]["reasons"] for reason in json.loads(text)}
    assert told == {"profile_field_no_option", "profile_field_no_date", "profile_field_no_flag"}
