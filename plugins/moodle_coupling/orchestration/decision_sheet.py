"""A table of mismatches that comes back from a spreadsheet with decisions in it: read, weighed without writing, and recorded."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.contract.facts import MismatchFacts
from moodle_coupling.contract.safe_text import guarded
from moodle_coupling.contract.verdicts import NAMES, DecisionKind, name_of
from moodle_coupling.errors import SourceError
from moodle_coupling.ledger.cells import records
from moodle_coupling.ledger.decisions import Choice, DecidedMany, decide_many, is_decidable
from moodle_coupling.ledger.mismatches import MismatchFilter, mismatch_page
from moodle_coupling.matching.decisions import Option, options
from moodle_coupling.sources.files.csv_file import decode
from moodle_coupling.sources.files.places import Caps
from moodle_coupling.sources.files.xlsx_book import open_book, told
from moodle_coupling.sources.files.xlsx_sheet import Fault, rows
from moodle_coupling.words.sentence import Sentence, Texts, languages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from moodle_coupling.ledger.ledger import Ledger

NUMBER: Final = "Number"
VERSION: Final = "Version (leave as it is)"
DECISION: Final = "Decision"
ACCOUNT: Final = "Decided account"
NOTE: Final = "Note"
HEADS: Final = (NUMBER, VERSION, DECISION, ACCOUNT, NOTE)
"""The columns that are read, in English; the sheet's own heads may stand in any of our languages, among others, in any order."""
AT_ONCE: Final = 1000
"""Mismatches read at a time."""
_LONGEST_NOTE: Final = 2000
_ZIP: Final = b"PK\x03\x04"
_FAR: Final = 10
"""Lines above the heads at most."""


def kind_code(kind: str, verdict: str = "") -> str:
    """Give the code of what a kind of decision is called on a verdict: on an account that somebody else suspended a link is a reactivation."""
    return f"decision.{name_of(kind, verdict)}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a sheet as it was read; ``number`` is the mismatch's, ``line`` that of the sheet (1-based)."""

    line: int
    number: str
    version: str
    decision: str
    account: str
    note: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A decision that can be recorded; ``account_id`` None where the mismatch leaves no choice."""

    mismatch: int
    version: int
    kind: DecisionKind
    account_id: int | None
    note: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that is left out; ``kind`` is lapsed, not_offered, contradicting, unknown, barred or unreadable."""

    line: int
    number: str
    kind: str
    why: Sentence


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a sheet comes to. ``same`` lines say what stands already, ``empty`` ones have no decision; ``verdicts`` counts the taken ones."""

    taken: tuple[Taken, ...]
    refused: tuple[Refused, ...]
    same: int
    empty: int
    kinds: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """How many are taken by (kind, verdict)."""


@dataclass(frozen=True, slots=True)
class Reader:
    """On whose behalf a sheet is weighed: which environments they may ``read``, on which they ``may_decide``, and of which Moodle
    takes one address for several accounts.
    """  # noqa: D205

    readable: Sequence[str]
    may_decide: Callable[[str], bool]
    shared_email: Callable[[str], bool]


def check_size(size: int, file: str) -> None:
    """Refuse a file of too many bytes before it is read into memory; raises SourceError."""
    Caps.configured().check_size(size, file)


def read_sheet(data: bytes, file: str) -> list[Line]:
    """Read a CSV or XLSX as it was exported, in any of our languages; lines without a mismatch number are left out.

    Raises:
        SourceError: it is no such table (says which column is missing), or too large.

    """
    caps = Caps.configured()
    caps.check_size(len(data), file)
    found = _xlsx(data, file, caps) if data.startswith(_ZIP) else _csv(data, file, caps)
    heads = _heads()
    for _, (_, cells) in zip(range(_FAR), found, strict=False):
        places = {heads[_folded(cell)]: at for at, cell in cells.items() if _folded(cell) in heads}
        if NUMBER in places:
            break
    else:
        places = {}
    missing = [head for head in (NUMBER, VERSION, DECISION) if head not in places]
    if missing:
        raise SourceError(Sentence("decision_sheet.no_column", file=file, columns=missing))
    lines = []
    for line, cells in found:
        caps.check_rows(line, file)
        number, version, decision, account, note = (cells.get(places.get(head, -1), "").strip() for head in HEADS)
        if number or decision:
            lines.append(Line(line, number, version, decision, account, note))
    return lines


def assess(ledger: Ledger, lines: Sequence[Line], reader: Reader) -> Assessment:
    """Weigh every line against the ledger as it is now; nothing is written."""
    refused: list[Refused] = []
    by_number = _by_number(lines, refused)
    empty = sum(1 for line in lines if not line.decision)
    wanted = {number: line for number, line in by_number.items() if line.decision}
    known: set[int] = set()
    taken: list[Taken] = []
    kinds: Counter[tuple[str, str]] = Counter()
    same = 0
    for record in _records(ledger, sorted(wanted), reader.readable):
        line = wanted[record["id"]]
        known.add(record["id"])
        found = _weighed(record, line, reader)
        if isinstance(found, Taken):
            taken.append(found)
            kinds[found.kind, record["verdict"]] += 1
        elif isinstance(found, Refused):
            refused.append(found)
        else:
            same += 1
    unknown = Sentence("decision_sheet.unknown")
    refused += [
        Refused(line.line, line.number, "unknown", unknown) for number, line in wanted.items() if number not in known
    ]
    return Assessment(
        tuple(taken), tuple(sorted(refused, key=lambda one: one.line)), same, empty, dict(kinds.most_common())
    )


def record(ledger: Ledger, taken: Iterable[Taken], *, by: str) -> DecidedMany:
    """Record decisions; what changed since they were weighed is refused by the ledger, and says who was first."""
    groups: dict[tuple[DecisionKind, int | None, str], dict[int, int]] = {}
    for one in taken:
        groups.setdefault((one.kind, one.account_id, one.note), {})[one.mismatch] = one.version
    done = [
        decide_many(ledger, versions.items(), Choice(kind, by=by, note=note, account_id=account))
        for (kind, account, note), versions in groups.items()
    ]
    return DecidedMany(
        tuple(sorted(number for one in done for number in one.decided)),
        tuple(refused for one in done for refused in one.refused),
    )


def _by_number(lines: Sequence[Line], refused: list[Refused]) -> dict[int, Line]:
    """Give the lines by mismatch; of one that stands there twice with two decisions, none is taken."""
    found: dict[int, list[Line]] = {}
    for line in lines:
        if line.number.isascii() and line.number.isdecimal() and len(line.number) <= 18:
            found.setdefault(int(line.number), []).append(line)
        elif line.decision:
            refused.append(Refused(line.line, line.number, "unreadable", Sentence("decision_sheet.no_number")))
    clear: dict[int, Line] = {}
    for number, several in found.items():
        said = {(_folded(one.decision), one.account, one.note, one.version) for one in several if one.decision}
        if len(said) > 1:
            where = [one.line for one in several]
            why = Sentence("decision_sheet.contradicting", lines=where)
            refused += [Refused(one.line, one.number, "contradicting", why) for one in several]
        else:
            clear[number] = next((one for one in several if one.decision), several[0])
    return clear


def _records(ledger: Ledger, numbers: Sequence[int], readable: Sequence[str]) -> Iterator[dict[str, Any]]:
    for start in range(0, len(numbers), AT_ONCE):
        chosen = MismatchFilter(readable=readable, ids=list(numbers[start : start + AT_ONCE]))
        yield from records(mismatch_page(ledger, chosen, sort="id", descending=False, limit=None).rows)


class _LeftOut(Exception):  # no error: it ends the weighing of one line
    """Why a line is left out: ``kind`` and ``why`` as in Refused."""

    def __init__(self, kind: str, code: str, **parameters: Any) -> None:
        super().__init__(code)
        self.kind = kind
        self.why = Sentence(code, **parameters)


def _weighed(record: Mapping[str, Any], line: Line, reader: Reader) -> Taken | Refused | None:
    """Weigh one line; None where it says what stands already."""
    try:
        kind, account = _said(line)
        if _stands(record, kind, account, line.note):
            return None
        _refuse_what_is_over(record, line, reader)
        chosen = _chosen(record, kind, account, reader)
    except _LeftOut as left:
        return Refused(line.line, line.number, left.kind, left.why)
    return Taken(record["id"], record["version"], kind, None if chosen == record["account_id"] else chosen, line.note)


def _said(line: Line) -> tuple[DecisionKind, int]:
    """Give what a line decides, and on which account (0: none named)."""
    kind = _kinds().get(_folded(line.decision))
    if kind is None:
        raise _LeftOut("unreadable", "decision_sheet.no_such_decision", decision=line.decision[:100])
    account = _account_of(line.account)
    if account is None:
        raise _LeftOut("unreadable", "decision_sheet.no_account_number", account=line.account[:100])
    if len(line.note) > _LONGEST_NOTE:
        raise _LeftOut("unreadable", "decision_sheet.long_note", most=_LONGEST_NOTE)
    return kind, account


def _refuse_what_is_over(record: Mapping[str, Any], line: Line, reader: Reader) -> None:
    if not reader.may_decide(record["environment"]):
        raise _LeftOut("barred", "decision_sheet.barred", environment=record["environment"])
    if not is_decidable(record):
        raise _LeftOut("lapsed", f"mismatch.over.{record['status']}")
    if not line.version.isdecimal():
        raise _LeftOut("unreadable", "decision_sheet.no_version")
    if line.version != str(record["version"]):
        raise _LeftOut("lapsed", "decision_sheet.changed")


def _chosen(record: Mapping[str, Any], kind: DecisionKind, account: int, reader: Reader) -> int | None:
    """Give the account that is decided on, None where no single one is meant."""
    facts = MismatchFacts.read(record["facts"]).plain()
    every = options(record["verdict"], facts, shared_email=reader.shared_email(record["environment"]))
    offered = [option for option in every if option.kind == kind]
    if not offered:
        raise _LeftOut("not_offered", "decision_sheet.not_offered", offered=_offered(every, record["verdict"]))
    fitting = [option for option in offered if not account or option.account_id == account]
    if len(fitting) == 1:
        return fitting[0].account_id
    accounts = [option.account_id for option in offered if option.account_id is not None]
    if fitting:
        raise _LeftOut("not_offered", "decision_sheet.which_account", accounts=accounts)
    if not accounts:
        raise _LeftOut("not_offered", "decision_sheet.no_account_meant", account=account)
    raise _LeftOut("not_offered", "decision_sheet.not_its_account", account=account, accounts=accounts)


def _stands(record: Mapping[str, Any], kind: DecisionKind, account: int, note: str) -> bool:
    """Tell whether just this is decided already, as a sheet says that nobody changed; account 0 is none named."""
    if record["decision"] is None or record["lapsed_at"] is not None or record["kind"] != kind:
        return False
    own = record["chosen"] or record["account_id"]
    noted = record["note"] or ""
    return note in {"", noted, guarded(noted).removeprefix("'")} and account in {0, own}


def _offered(every: Sequence[Option], verdict: str) -> list[Sentence]:
    return [Sentence(code) for code in dict.fromkeys(kind_code(option.kind, verdict) for option in every)]


def _account_of(text: str) -> int | None:
    """Read an account's number: 0 for none, None for a text that is no number."""
    if not text:
        return 0
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None


@cache
def _kinds() -> dict[str, DecisionKind]:
    named = [(f"decision.{name}", kind) for name, kind in NAMES.items()]
    return {_folded(Texts(language)(code)): kind for language in languages() for code, kind in named}


@cache
def _heads() -> dict[str, str]:
    return {_folded(Texts(language)(head)): head for language in languages() for head in HEADS}


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _csv(data: bytes, file: str, caps: Caps) -> Iterator[tuple[int, dict[int, str]]]:
    text, _ = decode(data, "auto", file)
    first = text.lstrip("\r\n").partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(";,\t", key=first.count))
    try:
        for cells in reader:
            caps.check_columns(len(cells), file)
            # An apostrophe in front keeps a spreadsheet from taking a text for a formula, and is no part of it.
            yield reader.line_num, {at: cell.removeprefix("'") for at, cell in enumerate(cells)}
    except csv.Error as error:
        raise SourceError(Sentence("decision_sheet.bad_line", file=file, line=reader.line_num)) from error


def _xlsx(data: bytes, file: str, caps: Caps) -> Iterator[tuple[int, dict[int, str]]]:
    book = open_book(data, caps, file)
    with told(file):
        sheet = next((one for one in book.sheets if one.visible), book.sheets[0])
        for row in rows(book, sheet):
            yield row.number, {at: "" if isinstance(cell, Fault) else cell for at, cell in row.cells.items()}
