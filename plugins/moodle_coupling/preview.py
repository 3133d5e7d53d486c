"""``moodle-coupling preview``: the plan for a file of persons, without writing anything to Moodle."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling import settings
from moodle_coupling.errors import InputError
from moodle_coupling.settings import mappings_folder
from moodle_coupling.words.sentence import ENGLISH, Sentence, Texts, language_codes

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping as MappingOf

    import pandas as pd

    from moodle_coupling.mapping import Mapping
    from moodle_coupling.sources.contract import Extract
    from moodle_coupling.sources.files.settings import FileSource

LIVE: Final = "live"
FORMATS: Final = ("table", "csv", "json", "parquet")
_SUFFIXES: Final = {".csv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
_SHOWN_LINES: Final = 20


@dataclass(frozen=True)
class _Accounts:
    frame: pd.DataFrame
    service_userid: int | None = None
    profile_types: MappingOf[str, str] = field(default_factory=dict)
    unreadable: tuple[tuple[str, str], ...] = ()


def add_preview_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``preview`` to a command line; the function to run is left in ``func``."""
    parser = subparsers.add_parser(
        "preview",
        help="show what a run would do; writes nothing to Moodle",
        description="Matches persons with accounts and shows the plan of a run. It writes nothing to Moodle.",
    )
    parser.add_argument("mapping", metavar="MAPPING", help="a mapping file, or an environment in include/mappings")
    parser.add_argument(
        "--persons", metavar="FILE", help="CSV, XLSX or Parquet of persons, instead of the mapping's source"
    )
    parser.add_argument(
        "--accounts",
        metavar="FILE|live",
        help="CSV of accounts (id, username, email, idnumber, firstname, lastname, auth, suspended, profile fields), "
        "or 'live' to read them from the Moodle of the connection; an empty Moodle is assumed without it",
    )
    parser.add_argument("--connection", metavar="ID", help="Airflow connection for 'live', instead of the mapping's")
    parser.add_argument("--changed", action="store_true", help="look at these persons only: leave orphans out")
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="ID",
        help="show only these persons (person id, extern id or ID number)",
    )
    parser.add_argument("--format", choices=FORMATS, help="default: by the ending of --output, else table")
    parser.add_argument("--output", metavar="FILE", help="write there instead of to the terminal")
    parser.add_argument(
        "--lang", choices=language_codes(), help="language of what is said; [moodle_coupling] language without it"
    )
    parser.set_defaults(func=run_preview, usage_error=parser.error)


def run_preview(arguments: argparse.Namespace) -> int:
    """Make the plan and show it; return 0. Raises CouplingError when an input or a setting is wrong."""
    format_ = arguments.format or _SUFFIXES.get(Path(arguments.output or "").suffix.lower(), "table")
    if format_ == "parquet" and not arguments.output:
        arguments.usage_error("--format parquet needs --output FILE")
    if arguments.connection and arguments.accounts != LIVE:
        arguments.usage_error("--connection goes with --accounts live")

    from moodle_coupling.matching.evidence import readable
    from moodle_coupling.preview_output import write_plan

    texts = Texts(arguments.lang) if arguments.lang else settings.texts()
    plan = readable(make_preview(arguments, texts), texts)
    write_plan(plan, format_, Path(arguments.output) if arguments.output else None, texts)
    return 0


def make_preview(arguments: argparse.Namespace, texts: Texts = ENGLISH) -> pd.DataFrame:
    """Read the inputs, say on stderr what could not be used, and give the plan (PLAN_COLUMNS).

    Where the mapping gives access, ``access`` follows: JSON, what access.wanted.said_of gives of each person.
    """
    from moodle_coupling.mapping.file import load_mapping
    from moodle_coupling.mapping.folder import find_mapping
    from moodle_coupling.matching.plan import make_plan
    from moodle_coupling.matching.selection import chosen
    from moodle_coupling.people.transform import transform

    mapping = load_mapping(find_mapping(arguments.mapping, mappings_folder()))
    extract = _read_persons(mapping, arguments.persons, texts)
    mapping = mapping.leaving_alone(extract.left_alone)
    transformed = transform(extract.persons, mapping)
    candidates, reasons = transformed.candidates, transformed.reasons
    full = not arguments.changed
    accounts = _read_accounts(mapping, arguments, candidates, texts, full=full)
    plan = make_plan(
        candidates,
        reasons,
        accounts.frame,
        mapping,
        service_userid=accounts.service_userid,
        full=full,
        profile_types=accounts.profile_types,
        unreadable=accounts.unreadable,
    )
    if mapping.access is not None:
        plan = plan.assign(access=_access(mapping, extract, candidates, plan, texts))
    outside = int((~candidates["in_scope"]).sum())
    if outside:
        say(texts.say(Sentence("preview.out_of_scope", n=len(candidates), outside=outside)))
    if not arguments.only:
        return plan
    # Chosen after planning: judged alone, a person with a double would look single.
    _check_known(arguments.only, candidates, plan)
    return plan[chosen(plan, arguments.only)].reset_index(drop=True)


def _access(
    mapping: Mapping, extract: Extract, candidates: pd.DataFrame, plan: pd.DataFrame, texts: Texts
) -> pd.Series[str]:
    """Give, as JSON beside each row of the plan, the cohorts and courses its person belongs in, and why not in others.

    By rules and list, as ``explain`` says it: Moodle is not asked what is there already, and of the ledger, where there is one, only
    what somebody decided that names stand for.
    """
    from moodle_coupling.access.wanted import said_of, wanted_access
    from moodle_coupling.ledger.access import given_access, known_targets
    from moodle_coupling.orchestration.access import listed
    from moodle_coupling.orchestration.access_questions import names_kept
    from moodle_coupling.orchestration.commands import ledger_if_any

    path = mapping.path or Path.cwd() / "mapping.yaml"
    with redirect_stdout(sys.stderr):  # as for persons
        found = listed(mapping, path)
    for warning in found.warnings if found is not None else ():
        say(texts.say(warning))
    ledger, _ = ledger_if_any()
    here = mapping.environment
    names = names_kept(known_targets(ledger, here), given_access(ledger, here)) if ledger else {}
    rows = None if found is None else found.rows
    wanted = wanted_access(extract.persons, candidates, mapping, rows, names=names)
    nobody = int(wanted["row"].isna().sum())
    if nobody:
        say(texts.say(Sentence("preview.access.nobody", n=nobody)))
    by_row = {row: json.dumps(said_of(some)) for row, some in wanted.groupby("row")}
    return plan["row"].map(by_row).fillna("[]").astype("str")


def _read_persons(mapping: Mapping, override: str | None, texts: Texts) -> Extract:
    from moodle_coupling.orchestration.coachview_sharing import through_the_ledger
    from moodle_coupling.sources.contract import Wanted
    from moodle_coupling.sources.kinds import open_source

    if override:
        mapping = mapping.model_copy(update={"source": _other_file(mapping, override)})
    source = open_source(mapping, _base(mapping))
    with redirect_stdout(
        sys.stderr
    ):  # a database or object storage makes Airflow log to stdout, and that is the plan's
        extract = source.extract(Wanted(sharing=through_the_ledger()))
    for warning in extract.warnings:
        say(texts.say(warning))
    if extract.left_out:
        say(texts.say(Sentence("preview.left_out", n=len(extract.left_out), source=source.where)))
        for one in extract.left_out[:_SHOWN_LINES]:
            of = f"{one.source}, " if one.source else ""
            say(f"  {of}{texts.say(Sentence('preview.left_out.line', line=one.line, said=one.said))}")
        if len(extract.left_out) > _SHOWN_LINES:
            say(f"  {texts.say(Sentence('preview.left_out.more', n=len(extract.left_out) - _SHOWN_LINES))}")
    return extract


def _other_file(mapping: Mapping, path: str) -> FileSource:
    """Give a file to read in the place of the mapping's source, with the settings of its first file."""
    from moodle_coupling.sources.files.settings import FileSource

    own = next((source for source in mapping.sources if isinstance(source, FileSource)), FileSource(path=path))
    absolute = path if "://" in path else str(Path(path).expanduser().resolve())
    return own.model_copy(update={"path": absolute, "format": "auto", "stale": "allow"})


def _base(mapping: Mapping) -> Path:
    from moodle_coupling.mapping.file import source_base

    return source_base(mapping.path) if mapping.path else Path.cwd()


def _read_accounts(
    mapping: Mapping, arguments: argparse.Namespace, candidates: pd.DataFrame, texts: Texts, *, full: bool
) -> _Accounts:
    from moodle_coupling.matching.frames import no_accounts
    from moodle_coupling.sources.files.accounts_file import read_accounts_csv

    if not arguments.accounts:
        say(texts.say(Sentence("preview.no_accounts")))
        return _Accounts(no_accounts())
    if arguments.accounts == LIVE:
        with redirect_stdout(sys.stderr):  # Airflow logs to stdout, and that is the plan's
            return _live_accounts(arguments.connection or mapping.connection, candidates, mapping, texts, full=full)
    frame = read_accounts_csv(Path(arguments.accounts))
    unknown = [name for name in ("firstname", "lastname", *mapping.fields) if name not in frame.columns]
    if unknown:
        say(texts.say(Sentence("preview.no_columns", file=arguments.accounts, columns=[str(name) for name in unknown])))
    return _Accounts(frame)


def _live_accounts(
    connection: str, candidates: pd.DataFrame, mapping: Mapping, texts: Texts, *, full: bool
) -> _Accounts:
    """Read the accounts from the connection's Moodle; raises CouplingPaused before any request while it is paused."""
    from moodle_coupling.hooks.moodle.hook import MoodleHook
    from moodle_coupling.hooks.moodle.probes import unseen_field
    from moodle_coupling.matching.changes import compared_fields
    from moodle_coupling.provisioning.snapshot.accounts import read_accounts
    from moodle_coupling.provisioning.snapshot.visibility import Visibility

    hook = MoodleHook(connection)
    service_userid = hook.site_info().userid
    seeing = Visibility(compared_fields(mapping), service_userid)
    snapshot = read_accounts(hook, candidates, full=full, untyped=mapping.untyped, visibility=seeing)
    for name in snapshot.unseen:
        say(*map(texts.say, unseen_field(name)))
    if snapshot.unreadable:
        say(texts.say(Sentence("preview.unreadable", n=len(snapshot.unreadable))))
    return _Accounts(snapshot.accounts, service_userid, snapshot.profile_types, snapshot.unreadable_keys)


def _check_known(ids: list[str], candidates: pd.DataFrame, plan: pd.DataFrame) -> None:
    from moodle_coupling.matching.selection import unknown_ids

    known = set(plan["idnumber"])
    unknown = [id_ for id_ in unknown_ids(candidates, ids) if id_ not in known]
    if unknown:
        raise InputError(Sentence("preview.no_such_person", ids=unknown))


def say(*texts: Any) -> None:
    """Tell the user something that is not the plan."""
    print(*texts, file=sys.stderr)  # noqa: T201
