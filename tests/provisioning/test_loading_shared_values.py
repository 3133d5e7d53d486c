"""A value that many share and that Moodle does not take: found in a few calls that write nothing, said, and nobody tried for it."""

from __future__ import annotations

import pytest
from provisioning.plans import CREATE, UPDATE, change, codes, create, load_rows, people_in, statuses

from moodle_coupling.errors import TooManyFailures, ValueNotTaken
from moodle_coupling.hooks.moodle.probes import refused_values
from moodle_coupling.provisioning.load.book import StopRule
from moodle_coupling.sandbox.moodle import running_moodle
from moodle_coupling.words.sentence import ENGLISH


@pytest.fixture
def moodle():
    with running_moodle() as sandbox:
        yield sandbox


def people_to_change(moodle, count):
    rows = [
        {
            "username": f"jan{n}",
            "firstname": "V",
            "lastname": "A",
            "email": f"j{n}@example.org",
            "idnumber": f"CV-{n:05}",
        }
        for n in range(1, count + 1)
    ]
    return moodle.add_accounts(rows)


@pytest.mark.parametrize(
    ("field", "value", "mend"),
    [
        ("lang", "nl", "Install the language pack"),
        ("auth", "saml9", "auth plugin"),
        ("auth", "webservice", "auth plugin"),
        ("theme", "none-such", "Install the theme"),
    ],
)
@pytest.mark.parametrize("parallel", [1, 2])
def test_when_everyone_is_refused_for_one_value_it_is_named_and_nobody_more_is_tried(
    moodle, field, value, mend, parallel
):
    result = load_rows(moodle, [create(n, **{field: value}) for n in range(1, 501)], parallel_requests=parallel)
    assert isinstance(result.stopped, ValueNotTaken)
    said = "Moodle makes no account with" if value == "webservice" else "Moodle does not take"
    assert f"{said} {field} '{value}'" in str(result.stopped)
    assert "500 of the 500 persons" in str(result.stopped)
    assert mend in str(result.stopped)
    assert statuses(result) == {"failed": 500}
    assert set(codes(result).values()) == {"value_not_taken"}
    assert people_in(moodle) == {}
    assert result.calls["create"] <= parallel
    assert sum(result.calls.values()) <= 10


def test_it_is_found_among_changes_too_and_nothing_is_written(moodle):
    ids = people_to_change(moodle, 60)
    before = moodle.accounts()
    rows = [change(n, id_, lang="nl", city="Ede") for n, id_ in enumerate(ids, 1)]
    result = load_rows(moodle, rows)
    assert "Moodle does not take lang 'nl'" in str(result.stopped)
    assert moodle.accounts() == before
    assert result.calls["update"] == 1


def test_once_it_is_mended_the_same_load_goes_on(moodle):
    rows = [create(n, lang="nl") for n in range(1, 61)]
    load_rows(moodle, rows)
    moodle.settings.change({"langs": "en,nl"})
    assert statuses(load_rows(moodle, rows)) == {"done": 60}


def test_whoever_shares_it_is_refused_without_a_call_and_everyone_else_is_in(moodle):
    rows = [create(n, lang="de" if n % 10 == 0 else "en") for n in range(1, 201)]
    result = load_rows(moodle, rows, stop=StopRule())
    assert result.stopped is None
    assert statuses(result) == {"done": 180, "rejected": 20}
    assert codes(result) == dict.fromkeys(range(10, 201, 10), "value_not_taken")
    assert "lang 'de'" in ENGLISH.say(set(result.outcomes["message"][result.outcomes["code"] != ""]).pop())
    # Two or fewer for each of them, all calls together: at most two batches met it before it was known.
    assert result.extra_calls <= 20


@pytest.mark.parametrize("field", ["lang", "auth"])
def test_a_few_who_all_have_it_are_refused_and_stop_nothing(moodle, field):
    result = load_rows(moodle, [create(n, **{field: "zz"}) for n in range(1, 4)], stop=StopRule())
    assert result.stopped is None
    assert statuses(result) == {"rejected": 3}
    assert set(codes(result).values()) == {"value_not_taken"}
    assert result.calls["create"] == 1


def test_those_whom_it_kept_out_before_stop_nothing(moodle):
    rows = [create(n, lang="nl") for n in range(1, 31)]
    result = load_rows(moodle, rows, stop=StopRule(expected=frozenset(range(30))))
    assert result.stopped is None
    assert statuses(result) == {"rejected": 30}
    assert result.calls["create"] == 1


def test_most_of_many_is_as_good_as_everyone(moodle):
    rows = [create(n, lang="nl" if n % 2 else "en") for n in range(1, 101)]
    result = load_rows(moodle, rows, stop=StopRule())
    assert isinstance(result.stopped, TooManyFailures)
    assert "50 of the 100 persons" in str(result.stopped)


def test_a_value_that_tells_of_persons_is_not_repeated(moodle):
    result = load_rows(moodle, [create(n, institution="<b>Geheim</b>") for n in range(1, 31)])
    assert "Moodle does not take institution" in str(result.stopped)
    assert "Geheim" not in str(result.stopped)


@pytest.mark.parametrize("auth", ["lti", "none", "manual"])
def test_an_auth_plugin_that_needs_a_password_is_named(moodle, auth):
    result = load_rows(moodle, [create(n, auth=auth) for n in range(1, 31)])
    assert f"Moodle keeps the passwords of auth '{auth}' itself" in str(result.stopped)
    assert "30 of the 30" in str(result.stopped)
    made = load_rows(moodle, [create(n, auth=auth, createpassword=True) for n in range(1, 31)])
    assert statuses(made) == {"done": 30}


@pytest.mark.parametrize("place", [*range(1, 51, 7), 25, 26, 50])
def test_one_unknown_culprit_in_fifty_costs_fewer_than_twelve_calls(moodle, place):
    moodle.settings.change({"allowemailaddresses": ""})
    # A newline in an address is Moodle's own affair: nothing of ours suspects it, and debugging is off.
    rows = [create(n, **({"email": "gewoon@xn--.example.org"} if n == place else {})) for n in range(1, 51)]
    result = load_rows(moodle, rows)
    assert statuses(result) == {"done": 49, "rejected": 1}
    assert list(codes(result)) == [place]
    calls = (
        sum(count for kind, count in result.calls.items()) - 2
    )  # the proof of max_input_vars and who is there already
    assert calls - 1 < 12  # after the refused one


def test_of_many_values_the_refused_ones_are_found():
    bad = {("lang", "nl"), ("theme", "x")}
    asked = []

    def takes(values):
        asked.append(values)
        return not bad.intersection(values)

    values = [("lang", "nl"), ("auth", "oidc"), ("theme", "x"), ("city", "Ede"), ("lang", "en")]
    assert set(refused_values(values, takes)) == bad
    assert refused_values([], takes) == []
    assert len(asked) <= 9


def test_probes_write_nothing(moodle):
    load_rows(moodle, [create(n, lang="nl") for n in range(1, 31)])
    updates = moodle.calls.all(UPDATE)
    assert updates
    assert len(moodle.accounts()) == 3
    assert len(moodle.calls.all(CREATE)) == 1
