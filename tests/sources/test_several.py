"""Several sources that feed one environment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sources.cases import Sqlite

from moodle_coupling.errors import SourceError
from moodle_coupling.mapping import Mapping
from moodle_coupling.people.transform import transform
from moodle_coupling.sources.contract import Mode, Source, Wanted
from moodle_coupling.sources.database.session import Session
from moodle_coupling.sources.kinds import open_source
from moodle_coupling.words.sentence import ENGLISH

if TYPE_CHECKING:
    from pathlib import Path


def mapping(*sources: dict[str, Any], **keys: Any) -> Mapping:
    said = {"environment": "demo", "connection": "moodle_demo", "idnumber": "extern_id", "source": list(sources)}
    return Mapping.model_validate(said | keys)


def opened(folder: Path, *sources: dict[str, Any], **keys: Any) -> Source:
    return open_source(mapping(*sources, **keys), folder)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "hr.csv").write_text(
        "PersonId;ExternId;Voornaam;Achternaam;Email;Plaats\n"
        "1;E1;Jan;Jansen;jan@example.org;Delft\n"
        "2;E2;Eva;Wit;eva@example.org;\n"
        "3;E3;Ali;Bos;ali@example.org;Ede\n"
    )
    (tmp_path / "it.csv").write_text(
        "ExternId;Voornaam;Achternaam;Email;Plaats;Inactief\n"
        "E1;Jan;Jansen;jan@example.org;Breda;nee\n"
        "E2;;;;Tiel;ja\n"
        "E3;Piet;Puk;puk@example.org;Assen;nee\n"
        "E4;Noor;Smit;noor@example.org;Assen;nee\n"
        "E5;te;veel;cellen;in;deze;regel\n"
    )
    return tmp_path


HR, IT = {"path": "hr.csv"}, {"path": "it.csv", "name": "IT"}


def test_one_in_a_list_is_that_one(files):
    assert opened(files, HR).kind == "file"


def test_what_comes_out_of_two_files(files):
    source = opened(files, HR, IT, fields={"city": {"column": "city"}})
    assert (source.kind, source.incremental) == ("several", False)
    assert str(source.where) == f"{files}/hr.csv + {files}/it.csv"
    extract = source.extract(Wanted())
    shown = extract.persons.set_index("extern_id")[["person_id", "lastname", "city", "inactive"]]
    assert shown.to_dict("index") == {
        "E1": {"person_id": "1", "lastname": "Jansen", "city": "Delft", "inactive": False},
        "E2": {"person_id": "2", "lastname": "Wit", "city": "Tiel", "inactive": True},
        "E3": {"person_id": "3", "lastname": "Bos", "city": "Ede", "inactive": False},
        "E4": {"person_id": "", "lastname": "Smit", "city": "Assen", "inactive": False},
    }
    assert (extract.counts.records, extract.counts.persons, extract.counts.left_out) == (5, 4, 1)


def test_lines_are_told_with_the_source_they_are_of(files):
    extract = opened(files, HR, IT).extract(Wanted())
    (left,) = extract.left_out
    assert (left.line, left.source) == (6, "IT")
    assert extract.headings["person_id"] == "PersonId"
    assert extract.notes["IT: file"] == f"{files}/it.csv"


def test_differences_become_reasons_and_disagreement_a_rejection(files):
    made = mapping(HR | {"name": "HR"}, IT, scope={"inactive": True}, fields={"city": {"column": "city"}})
    result = transform(open_source(made, files).extract(Wanted()).persons, made)
    rows = result.candidates.set_index("row")["idnumber"]
    found = {
        (rows[reason["row"]], reason["code"], reason["field"], reason["blocks"]): ENGLISH.say(reason["said"])
        for reason in result.reasons.to_dict("records")
    }
    assert found[("E1", "sources_differ", "city", "")].startswith(
        "The sources differ on city, and the first of them is followed: 'Delft' in HR, 'Breda' in IT."
    )
    assert found[("E3", "sources_disagree", "", "all")].startswith(
        "The sources do not agree on who this is: Ali Bos <ali@example.org> in HR, Piet Puk <puk@example.org> in IT."
    )
    assert len(found) == 2


def test_what_the_mapping_does_not_use_may_differ_in_peace(files):
    made = mapping(HR, IT)
    result = transform(open_source(made, files).extract(Wanted()).persons, made)
    assert set(result.reasons["code"]) == {"sources_disagree"}


def test_what_it_uses_in_any_way_may_not(files):
    (files / "hr.csv").write_text(
        "ExternId;Voornaam;Achternaam;E-mail;Voorletters;Afdeling;Land;Vrij veld 1;Plaats\n1;J;J;j@example.org;A.;A;NL;A;A\n"
    )
    (files / "it.csv").write_text(
        "ExternId;Voornaam;Achternaam;E-mail;Voorletters;Afdeling;Land;Vrij veld 1;Plaats\n1;J;J;j@example.org;B.;B;BE;B;B\n"
    )
    source = opened(
        files,
        HR,
        IT,
        username={"recipe": "initials_infix_last"},
        fields={"country": {"column": "country"}},
        profile_fields={"x": {"column": "free1"}},
        scope={"include": [{"column": "department", "not_empty": True}]},
    )
    said = json.loads(source.extract(Wanted()).persons["sources_differ"][0])
    assert set(said) == {"initials", "country", "free1", "department"}


@pytest.mark.parametrize("missing", ["hr.csv", "it.csv"])
def test_when_one_of_them_fails_nothing_is_given(files, missing):
    (files / missing).unlink()
    with pytest.raises(SourceError, match=f"{missing} does not exist"):
        opened(files, HR, IT).extract(Wanted())


def test_a_person_is_found_by_the_id_that_only_another_source_knows(files):
    (files / "more.csv").write_text("PersonId;Afdeling\n3;ICT\n")
    source = opened(files, HR, {"path": "more.csv"})
    found = source.extract(Wanted(Mode.IDS, ids=("E3",)))
    assert found.persons[["person_id", "extern_id", "department"]].to_numpy().tolist() == [["3", "E3", "ICT"]]
    assert not found.complete


class TestOnlyWhatChanged:
    @pytest.fixture
    def database(self, request: pytest.FixtureRequest) -> Sqlite:
        database = Sqlite(request)
        database.fill([{"PersonId": "1", "Plaats": "Delft"}, {"PersonId": "2", "Plaats": "Ede"}])
        (database.folder / "it.csv").write_text("PersonId;Afdeling\n1;ICT\n2;HR\n")
        return database

    @pytest.fixture
    def queries(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The statements that give rows, as they were run."""
        run: list[str] = []
        chunks = Session.chunks

        def noted(session: Session, query: str, since: object, size: int) -> Any:
            run.append(query)
            return chunks(session, query, since, size)

        monkeypatch.setattr(Session, "chunks", noted)
        return run

    def source(self, database: Sqlite) -> Source:
        return opened(database.folder, database.settings(), {"path": "it.csv"}, idnumber="person_id")

    def test_is_asked_of_the_one_that_can_tell(self, database, queries):
        source = self.source(database)
        first = source.extract(Wanted())
        assert source.incremental
        assert list(first.kept) == ["source0"]
        assert first.kept["source0"]["department"].tolist() == ["", ""]
        database.fill([{"PersonId": "1", "Plaats": "Delft"}, {"PersonId": "2", "Plaats": "Tiel"}])
        (database.folder / "it.csv").write_text("PersonId;Afdeling\n1;Directie\n2;HR\n")
        changed = source.extract(Wanted(Mode.CHANGED, first.watermark, known=first.kept))
        assert ":since" in queries[1]
        assert changed.complete
        assert changed.persons[["person_id", "city", "department"]].to_numpy().tolist() == [
            ["1", "Delft", "Directie"],
            ["2", "Tiel", "HR"],
        ]
        assert changed.counts.persons == 2
        assert changed.kept["source0"]["city"].tolist() == ["Delft", "Tiel"]

    def test_without_what_was_known_everyone_is_read(self, database, queries):
        source = self.source(database)
        first = source.extract(Wanted())
        source.extract(Wanted(Mode.CHANGED, first.watermark))
        assert ":since" not in queries[1]

    def test_each_of_them_remembers_for_itself(self, database):
        watermark = json.loads(self.source(database).extract(Wanted()).watermark)
        assert json.loads(watermark["source0"])["kind"] == "str"
        assert "sha256" in json.loads(watermark["source1"])

    def test_when_a_file_stood_still_it_is_told_through_all_of_them(self, database):
        sources = (database.settings(), {"path": "it.csv", "max_age_hours": 0})
        source = opened(database.folder, *sources, idnumber="person_id")
        first = source.extract(Wanted())
        again = source.extract(Wanted(since=first.watermark))
        assert [warning for warning in again.warnings if "it.csv is old" in str(warning)]
