"""Answers made to be slow to read, of the wrong type, or full of our own secrets."""

from __future__ import annotations

import contextlib
import html
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from growth import grows_faster
from hooks.coachview_small import SECRET
from hooks.servers import TOKEN
from hypothesis import given
from hypothesis import strategies as st

from moodle_coupling.errors import AnswerLost, CouplingError, NotAMoodle
from moodle_coupling.hooks.coachview import rows as coachview_free
from moodle_coupling.hooks.coachview import rows as coachview_rows
from moodle_coupling.hooks.coachview.answers import json_of, read_listing
from moodle_coupling.hooks.coachview.budget import DAY, moment
from moodle_coupling.hooks.moodle import records
from moodle_coupling.hooks.moodle.answers import read_answer
from moodle_coupling.hooks.moodle.records import NewAccount
from moodle_coupling.hooks.wire import MASK, RawAnswer, Secrets

if TYPE_CHECKING:
    from collections.abc import Callable

CREATE, READ, INFO = "core_user_create_users", "core_user_get_users_by_field", "core_webservice_get_site_info"

# ---- work ------------------------------------------------------------------------------------------------------------

UNITS = (
    "<title>", "<title", "</title>", "<", ">", "<a ", "&amp;", "&#", "[", "[ ", "{", '{ "', "null ", "\n", " ", "\\",
    "Warning: … in x", "Warning: x in y on line 1\n", "<br /><b>Warning</b>:  x in ", " in ", " on line ", "Notice: ",
    "<MESSAGE>", "<ERRORCODE>", "<?xml", "//", "//@", "@", "%25", "5", TOKEN[:-1], "maintenanc", "0", "0.", "-",
)  # fmt: skip


def of_moodle(status: int) -> Callable[[str], Any]:
    return lambda text: read_answer(
        status, {"Retry-After": text[:60_000], "Location": text[:60_000]}, text.encode(), CREATE
    )


def raw(text: str, status: int) -> RawAnswer:
    return RawAnswer(
        status, {"retry-after": text[:60_000], "location": text[:60_000], "rowcount": text[:60_000]}, text.encode()
    )


READERS: dict[str, Callable[[str], Any]] = {
    **{f"Moodle {status}": of_moodle(status) for status in (200, 302, 403, 404, 500, 503)},
    "Moodle's XML": lambda text: read_answer(200, {}, f"<?xml{text}".encode(), CREATE),
    "Moodle's message": lambda text: read_answer(
        200, {}, json.dumps({"exception": "x", "errorcode": text, "message": text, "debuginfo": text}).encode(), CREATE
    ),
    **{
        f"Coachview {status}": lambda text, s=status: read_listing(raw(text, s), "Personen")
        for status in (200, 302, 429, 500)
    },
    "Coachview's words": lambda text: read_listing(raw(json.dumps({"message": text}), 400), "Personen"),
    "a token's place": lambda text: json_of(raw(text, 200), ""),
    "a secret": Secrets([TOKEN, SECRET]).out_of,
    "a moment": lambda text: moment(text, 0.0),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("before", ["", "Warning: "])
def test_the_work_grows_with_a_text_and_not_with_its_square(reader: Callable[[str], Any], before: str) -> None:
    assert grows_faster(reader, UNITS, before) == []


# ---- types -----------------------------------------------------------------------------------------------------------

NO_NUMBERS = (
    "NaN",
    "1e999",
    "-1e999",
    '"7x"',
    "true",
    "-5",
    "1.5",
    "null",
    "[]",
    "{}",
    '""',
    '"٣"',
    "9" * 30,
    '"' + "9" * 5000 + '"',
)


@pytest.mark.parametrize("word", NO_NUMBERS)
def test_what_is_no_id_is_an_error_of_ours(word: str) -> None:
    def read(text: str, function: str) -> Any:
        return read_answer(200, {}, text.encode(), function)

    with pytest.raises((NotAMoodle, AnswerLost)):
        records.accounts_in(read(f'[{{"id": {word}, "username": "x"}}]', READ), READ)
    with pytest.raises(AnswerLost):
        records.created_accounts(
            read(f'[{{"id": {word}, "username": "x"}}]', CREATE), [NewAccount({"username": "x"})], CREATE
        )
    with pytest.raises((NotAMoodle, AnswerLost)):
        records.site_info(read(f'{{"userid": {word}, "functions": []}}', INFO), INFO)
    with pytest.raises((NotAMoodle, AnswerLost)):
        records.reports_in(read(f'{{"reports": [{{"id": {word}, "name": "x"}}]}}', records.LIST_REPORTS))
    with pytest.raises((NotAMoodle, AnswerLost)):
        records.page_in(
            read(f'{{"data": {{"headers": [], "rows": [], "totalrowcount": {word}}}}}', records.RETRIEVE_REPORT)
        )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["id", "username", "email", "customfields", "shortname", "value", "functions", "name", "userid", "warnings",
             "itemid", "warningcode", "reports", "data", "headers", "rows", "columns", "totalrowcount", "suspended"]
        ), inner, max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_whatever_an_answer_holds_it_is_read_or_an_error_of_ours(answer: Any) -> None:
    for read in (
        lambda: records.accounts_in(answer, READ),
        lambda: records.created_accounts(answer, [NewAccount({"username": "x"})], CREATE),
        lambda: records.update_warnings(answer, CREATE),
        lambda: records.site_info(answer, INFO),
        lambda: records.reports_in(answer),
        lambda: records.page_in(answer),
        lambda: read_answer(200, {}, json.dumps(answer).encode(), CREATE),
        lambda: read_listing(RawAnswer(200, {}, json.dumps(answer).encode()), "Personen"),
    ):
        said = ""
        try:
            read()
        except CouplingError as error:
            said = str(error)
        assert "\0" not in said


ROWS = st.lists(
    st.dictionaries(
        st.sampled_from(
            ["id", "Id", "achternaam", "voornaam", "externId", "inactief", "adres", "plaats", "auditTrail", "gewijzigdDatumTijd",
             "vrijevelden", "vrijveld1", "vrijveldDefinitie", "data", "code", "vertrouwelijk", "naam", "email1"]
        ), JSON, max_size=6,
    ),
    max_size=4,
)  # fmt: skip


@given(ROWS)
def test_whatever_a_row_of_coachview_holds_it_is_read_or_an_error_of_ours(rows: list[dict[str, Any]]) -> None:
    lower = [coachview_rows.lowered(row) for row in rows]
    for read in (
        lambda: read_listing(RawAnswer(200, {"rowcount": "x"}, json.dumps(rows).encode()), "Personen"),
        lambda: coachview_rows.check_persons(lower, "id"),
        lambda: [coachview_rows.person(row, person_id_key="externid", free={}, extra=("naam",)) for row in lower],
        lambda: coachview_rows.category_names(rows, "Personen"),
        lambda: [coachview_free.shapes_of(row) for row in lower],
        lambda: [coachview_free.free_codes(row) for row in lower],
        lambda: [coachview_free.definitions(row) for row in lower],
    ):
        with contextlib.suppress(CouplingError):
            read()


def test_no_nul_comes_through() -> None:
    (found,) = records.accounts_in(
        [{"id": 1, "username": "a\0b", "customfields": [{"shortname": "c\0", "value": "\0d"}]}], READ
    )
    assert (found.username, dict(found.profile)) == ("ab", {"c": "d"})
    (warning,) = records.update_warnings(
        {"warnings": [{"itemid": "7", "warningcode": "x\0y", "message": "m\0"}]}, CREATE
    )
    assert (warning.account_id, warning.code, warning.message) == (7, "x y", "m")


# ---- Coachview's limits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        "100000000000",
        "2300400000",
        "9" * 40,
        "5138-11-16T09:46:40Z",
        "Fri, 16 Nov 5138 09:46:40 GMT",
        "9999-12-31T23:59:59+00:00",
    ],
)
def test_no_header_stops_us_for_more_than_a_day(said: str) -> None:
    now = 1_795_000_000.0
    found = moment(said, now)
    assert found is not None
    assert found <= now + DAY


@pytest.mark.parametrize(
    "said", ["", "-1", "NaN", "inf", "Mon, 00 Jan 0000 00:00:00 GMT", "0001-01-01T00:00:00+14:00", "١٢"]
)
def test_a_moment_that_cannot_be_read_is_none_or_past(said: str) -> None:
    found = moment(said, 1_795_000_000.0)
    assert found is None or found < 1_795_000_000.0


# ---- secrets ---------------------------------------------------------------------------------------------------------

WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "percent": lambda text: quote(text, safe=""),
    "percent, small letters": lambda text: "".join(f"%{ord(c):02x}" for c in text),
    "percent, capitals": lambda text: "".join(f"%{ord(c):02X}" for c in text),
    "percent, twice": lambda text: quote(quote(text, safe=""), safe=""),
    "percent, where it must": quote,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON with slashes": lambda text: json.dumps(text)[1:-1].replace("/", r"\/"),
    "JSON, all of it": lambda text: "".join(f"\\u{ord(c):04x}" for c in text),
    "HTML": html.escape,
    "HTML, all of it": lambda text: "".join(f"&#{ord(c)};" for c in text),
    "HTML, hexadecimal": lambda text: "".join(f"&#x{ord(c):X};" for c in text),
    "HTML, twice": lambda text: html.escape(html.escape(text)),
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("secret", [TOKEN, SECRET, "a&b<c>\"d'e/f\\g%h+i"])
def test_a_secret_is_found_however_it_is_written(written: Callable[[str], str], secret: str) -> None:
    masks = Secrets([secret])
    assert masks.out_of(f"x {written(secret)} y") == f"x {MASK} y"
    found = masks.out_of_answer(RawAnswer(400, {"location": written(secret)}, f"x {written(secret)} y".encode()))
    assert found == RawAnswer(400, {"location": MASK}, f"x {MASK} y".encode())


@pytest.mark.parametrize("before", range(0, 520, 7))
def test_no_part_of_the_token_is_left_where_a_text_is_cut(moodle_saying: Callable[[str], str], before: int) -> None:
    text = moodle_saying("x" * before + TOKEN + "y" * 600)
    assert not [at for at in range(len(TOKEN) - 7) if TOKEN[at : at + 8] in text]


@pytest.fixture
def moodle_saying(requests_mock: Any) -> Callable[[str], str]:
    from hooks.servers import hook_for

    def said(words: str) -> str:
        requests_mock.post(
            "https://moodle.example.org/webservice/rest/server.php",
            json={"exception": "x", "errorcode": "invalidparameter", "message": words, "debuginfo": words},
        )
        with pytest.raises(CouplingError) as caught:
            hook_for("https://moodle.example.org").call_once(CREATE, users=[])
        return f"{caught.value} {vars(caught.value)}"

    return said


def test_secrets_that_are_empty_hide_nothing() -> None:
    assert Secrets(["", ""]).out_of("nothing to hide") == "nothing to hide"
