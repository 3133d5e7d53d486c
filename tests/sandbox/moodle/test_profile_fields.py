"""Profile fields of every type: no value is refused, and what is stored and shown is as recorded (310 to 432, 770)."""

from __future__ import annotations

import pytest
from sandbox.moodle.client import someone

from moodle_coupling.sandbox.moodle import FUNCTIONS, REPORT_FUNCTIONS, CustomReport, ProfileField

FIELDS = [
    ProfileField("functie", "Functie"),
    ProfileField("overmij", "Over mij", datatype="textarea"),
    ProfileField("kleur", "Kleur", datatype="menu", options=("Rood", "Groen", "Blauw")),
    ProfileField("nieuwsbrief", "Nieuwsbrief", datatype="checkbox"),
    ProfileField("geboren", "Geboortedatum", datatype="datetime", startyear=1990, endyear=2030),
    ProfileField("afspraak", "Afspraak", datatype="datetime", startyear=1990, endyear=2030, with_time=True),
    ProfileField("skypenaam", "Skype", datatype="social"),
]
MIDNIGHT, HALF_PAST_ONE = "1714518000", "1714566600"  # 1 May 2024 in London
HTML = '<div class="no-overflow"><div class="text_to_html">{}</div></div>'
# Field, value sent, value stored (None: the same), what people see (None: the field is left out).
SENT = [
    ("functie", "Adviseur", None, "Adviseur"),
    ("functie", '<b>vet</b> & "x" < 3', None, 'vet &amp; "x" &lt; 3'),
    ("functie", "  twee  ", None, "  twee  "),
    ("functie", "0", None, "0"),
    ("functie", "", None, None),
    ("overmij", "<b>Vet</b> & gewoon", None, HTML.format("<b>Vet</b> &amp; gewoon")),
    ("overmij", "regel 1\nregel 2\n\nregel 4", None, HTML.format("regel 1<br />\nregel 2<br />\n<br />\nregel 4")),
    ("overmij", "<script>x</script>tekst", None, HTML.format("tekst")),
    ("overmij", "1 < 2 <i>open <x>on", None, HTML.format("1 &lt; 2 <i>open on</i>")),
    ("overmij", "", None, None),
    ("kleur", "Groen", None, "Groen"),
    *(("kleur", wrong, "", None) for wrong in ("groen", " Groen", "Groen ", "1", "Paars", "")),
    ("nieuwsbrief", "1", None, "Yes"),
    ("nieuwsbrief", "0", None, "No"),
    ("nieuwsbrief", "", None, "No"),
    *(("nieuwsbrief", word, None, "Yes") for word in ("ja", "true", "2", "nee")),
    ("geboren", "2024-05-01", MIDNIGHT, "1 May 2024"),
    ("geboren", "2024-05-01-13-30-00", MIDNIGHT, "1 May 2024"),
    ("geboren", "2024-05-01 13:30:00", MIDNIGHT, "1 May 2024"),
    ("geboren", "1714521600", MIDNIGHT, "1 May 2024"),
    ("geboren", "01-05-2024", "816307200", "14 November 1995"),
    ("geboren", "2024/05/01", "1701302400", "30 November 2023"),
    ("geboren", "2024-13-45", "1739491200", "14 February 2025"),
    ("geboren", "gisteren", "1890691200", "30 November 2029"),
    ("geboren", "1985-03-02", "636336000", "2 March 1990"),
    ("geboren", "2050-03-02", "1898640000", "2 March 2030"),
    ("geboren", "", "0", None),
    ("geboren", "0", "0", None),
    ("afspraak", "2024-05-01", MIDNIGHT, "Wednesday, 1 May 2024, 12:00 AM"),
    ("afspraak", "2024-05-01-13-30-00", HALF_PAST_ONE, "Wednesday, 1 May 2024, 1:30 PM"),
    ("afspraak", "2024-05-01-13-30", MIDNIGHT, "Wednesday, 1 May 2024, 12:00 AM"),
    ("afspraak", "1714521600", None, "Wednesday, 1 May 2024, 1:00 AM"),
    ("afspraak", "2024/05/01", "1701302400", "Thursday, 30 November 2023, 12:00 AM"),
    ("skypenaam", "anna.voorbeeld", None, '<a href="skype:anna.voorbeeld?call">anna.voorbeeld</a>'),
    ("skypenaam", "<b>x</b>", None, '<a href="skype:%3Cb%3Ex%3C%2Fb%3E?call"><b>x</b></a>'),
    ("skypenaam", "", None, None),
]


@pytest.fixture
def typed(site):
    site.settings.change({"profile_fields": FIELDS})
    return site


def shown(client, userid):
    (account,) = client.by_field("id", userid)
    return {
        field["shortname"]: (field["type"], field["value"], field["displayvalue"]) for field in account["customfields"]
    }


@pytest.mark.parametrize("way", ["create", "update"])
@pytest.mark.parametrize(("name", "sent", "stored", "display"), SENT)
def test_a_value_is_stored_and_shown_by_its_type(typed, client, name, sent, stored, display, way):
    fields = [{"type": name, "value": sent}]
    (jan,) = client.create(someone(customfields=fields) if way == "create" else someone())
    if way == "update":
        assert client.update({"id": jan["id"], "customfields": fields})["warnings"] == []
    kept = sent if stored is None else stored
    datatype = typed.settings.profile_field(name).datatype
    expected = {"nieuwsbrief": ("checkbox", "0", "No")} | ({} if display is None else {name: (datatype, kept, display)})

    assert typed.account("jan")["profile_fields"] == {name: kept}
    assert shown(client, jan["id"]) == expected


def test_a_value_that_does_not_fit_wipes_the_good_one(typed, client):
    (jan,) = client.create(someone(customfields=[{"type": "kleur", "value": "Groen"}]))
    client.update({"id": jan["id"], "customfields": [{"type": "kleur", "value": "Paars"}]})

    assert "kleur" not in shown(client, jan["id"])


def test_dates_are_midnight_where_the_site_is(typed, client):
    typed.settings.change({"timezone": "Europe/Amsterdam"})
    (jan,) = client.create(someone(customfields=[{"type": "geboren", "value": "2024-05-01"}]))

    assert shown(client, jan["id"])["geboren"] == ("datetime", str(int(MIDNIGHT) - 3600), "1 May 2024")


@pytest.mark.parametrize(
    "odd", ["-5", "1e20", "2024-99999999999-1", "1-1-99999999999999", " 2024 -5-1", "-", "--", "x-y-z"]
)
def test_no_date_is_too_odd_to_be_stored(typed, client, odd):
    (jan,) = client.create(someone(customfields=[{"type": "afspraak", "value": odd}]))

    assert int(typed.account("jan")["profile_fields"]["afspraak"]) != 0, jan


def test_a_default_is_shown_and_not_stored(site, client):
    fields = [
        ProfileField("kleur", datatype="menu", options=("Rood", "Groen"), defaultdata="Rood"),
        ProfileField("vast", defaultdata="iets"),
    ]
    site.settings.change({"profile_fields": fields})
    (jan,) = client.create(someone())

    assert shown(client, jan["id"]) == {"kleur": ("menu", "Rood", "Rood"), "vast": ("text", "iets", "iets")}
    assert site.account("jan")["profile_fields"] == {}
    client.update({"id": jan["id"], "customfields": [{"type": "kleur", "value": "Paars"}]})
    assert site.account("jan")["profile_fields"] == {"kleur": "Rood"}


def test_a_report_shows_every_type(typed, client):
    values = {
        "functie": "Adviseur & <b>co</b>", "overmij": "<b>Vet</b> & gewoon\nregel 2", "kleur": "Groen", "nieuwsbrief": "1",
        "geboren": "2024-05-01", "afspraak": "2024-05-01-13-30-00", "skypenaam": "anna.voorbeeld",
    }  # fmt: skip
    client.create(someone(customfields=[{"type": name, "value": value} for name, value in values.items()]))
    typed.restrict_token(functions=(*FUNCTIONS, *REPORT_FUNCTIONS))
    typed.settings.change({"reports": [CustomReport(7, "X", ("username", *(f"profilefield_{n}" for n in values)))]})
    data = client.call(REPORT_FUNCTIONS[1], reportid=7)["data"]

    assert data["headers"] == [
        "Username", "Functie", "Over mij", "Kleur", "Nieuwsbrief", "Geboortedatum", "Afspraak", "Skype ID"
    ]  # fmt: skip
    assert [row["columns"] for row in data["rows"]] == [
        ["admin", "", "", "", "No", "Not set", "Not set", '<a href="skype:?call"></a>'],
        [
            "jan", "Adviseur &amp; co", HTML.format("<b>Vet</b> &amp; gewoon<br />\nregel 2"), "Groen", "Yes", "1 May 2024",
            "Wednesday, 1 May 2024, 1:30 PM", '<a href="skype:anna.voorbeeld?call">anna.voorbeeld</a>',
        ],
        ["svc-coupling", "", "", "", "No", "Not set", "Not set", '<a href="skype:?call"></a>'],
    ]  # fmt: skip


def test_fields_can_be_said_as_text(site):
    site.settings.change(
        {
            "profile_fields": '[{"shortname": "kleur", "datatype": "menu", "options": ["Rood"]}, {"shortname": "functie"}]'
        }
    )

    assert site.settings.profile_fields == [
        ProfileField("kleur", datatype="menu", options=("Rood",)), ProfileField("functie")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("profile_fields", [{"shortname": "x", "datatype": "colour"}]),
        ("timezone", "Mars"),
        ("prohibited", "moodle/x:y"),
    ],
)
def test_a_setting_that_moodle_cannot_have_is_refused(site, setting, value):
    with pytest.raises(Exception, match=f"Sandbox setting '{setting}' cannot be"):
        site.settings.change({setting: value})
