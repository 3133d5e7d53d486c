"""Rows of Coachview as frozen dataclasses: what the coupling needs of a person, and nothing more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.contract.columns import read_flag
from moodle_coupling.errors import CoachviewAnswerUnreadable, CoachviewDenied, CoachviewRefused
from moodle_coupling.hooks.coachview.connection import FreeShape
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping


PERSONS: Final = "Personen"
CATEGORIES: Final = "Persoonscategorieen"
TEXTS: Final[Mapping[str, str]] = {
    "extern_id": "externId",
    "extern_source": "externSource",
    "initials": "voorletters",
    "firstname": "voornaam",
    "infix": "tussenvoegsels",
    "lastname": "achternaam",
    "email1": "email1",
    "email2": "email2",
    "email3": "email3",
    "city": "adres.plaats",
    "country": "adres.landCode",
    "changed": "auditTrail.gewijzigdDatumTijd",
}
"""Our name → the key on a row, with dots into what stands in it."""
UNPROVEN: Final = ("email2", "email3", "externId", "externSource", "auditTrail")
"""Keys whose spelling on a person's row is likely and not proven; the connection check says whether they are there."""


@dataclass(frozen=True, slots=True)
class CoachviewPerson:
    """One person as read, texts as they came and '' where there is none.

    ``id`` is Coachview's public id, ``person_id`` what the connection says is the person id (the same by default).
    ``inactive_unread`` is what stood in ``inactief`` when it was neither true nor false. ``changed`` is local time without a zone.
    ``free`` maps the wanted codes of free fields to their values, ``extra`` the wanted further keys.
    """

    id: str
    person_id: str
    extern_id: str = ""
    extern_source: str = ""
    initials: str = ""
    firstname: str = ""
    infix: str = ""
    lastname: str = ""
    email1: str = ""
    email2: str = ""
    email3: str = ""
    inactive: bool = False
    inactive_unread: str = ""
    city: str = ""
    country: str = ""
    changed: str = ""
    free: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)


def lowered(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give a row with its keys in lower case, as Coachview's names match without case."""
    return {str(key).lower(): value for key, value in row.items()}


def person(
    row: Mapping[str, Any], *, person_id_key: str, free: Mapping[str, str], extra: tuple[str, ...] = ()
) -> CoachviewPerson:
    """Read one row of Personen, its keys in lower case.

    Raises CoachviewAnswerUnreadable naming the key, never a value, for a row without id or a value that is no text.
    """
    record_id = text_at(row, "id")
    if not record_id.strip():
        raise _unreadable("no_id", keys=_keys(row))
    inactive, unread = _inactive(row.get("inactief"))
    return CoachviewPerson(
        id=record_id,
        person_id=text_at(row, person_id_key),
        inactive=inactive,
        inactive_unread=unread,
        free=free,
        extra={key: text_at(row, key) for key in extra},
        **{name: text_at(row, key) for name, key in TEXTS.items()},
    )


def text_at(row: Mapping[str, Any], path: str) -> str:
    """Give the text at a key, '' where there is none; dots lead into objects. Raises CoachviewAnswerUnreadable."""
    value: object = row
    for key in path.lower().split("."):
        if value is None or value == "":
            return ""
        if not isinstance(value, dict):
            raise _unreadable("no_object", path=path)
        value = value.get(key) if key in value else lowered(value).get(key)
    text = _scalar(value)
    if text is not None:
        return text
    raise _unreadable("list" if isinstance(value, list) else "group", path=path)


def _scalar(value: object) -> str | None:
    """Give a text, number or truth of JSON as a text, '' for null; None for a list or an object."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def check_persons(rows: list[dict[str, Any]], person_id_key: str) -> None:
    """Make sure that rows, their keys in lower case, are of persons and have a person id at all.

    One person may lack either, and is then judged by itself; where all of several do, something is wrong with all. Raises
    CoachviewAnswerUnreadable naming the keys that came.
    """
    if len(rows) < 2:
        return
    if not any("achternaam" in row for row in rows):
        raise _unreadable("no_persons", keys=_keys(rows[0]))
    if not any(text_at(row, person_id_key).strip() for row in rows):
        raise _unreadable("no_person_id", key=person_id_key, keys=_keys(rows[0]))


def _inactive(value: object) -> tuple[bool, str]:
    text = "" if value is None else str(value)
    flag = read_flag(text)
    return flag is True, text if flag is None else ""


def _keys(row: Mapping[str, Any]) -> str:
    return ", ".join(str(key)[:40] for key in sorted(row))[:600]


def _unreadable(code: str, **told: str) -> CoachviewAnswerUnreadable:
    return CoachviewAnswerUnreadable(
        Sentence(f"coachview.row.{code}", what=PERSONS, **told), endpoint=PERSONS, status=200
    )


def category_names(rows: list[dict[str, Any]], endpoint: str) -> tuple[str, ...]:
    """Give the names of one person's categories, in the order they came. Raises CoachviewAnswerUnreadable."""
    names = []
    for row in map(lowered, rows):
        name = row.get("naam")
        if not isinstance(name, str) or not name.strip():
            raise CoachviewAnswerUnreadable(
                Sentence("coachview.row.category_without_name", what=endpoint, keys=_keys(row)),
                endpoint=endpoint,
                status=200,
            )
        names.append(name)
    return tuple(dict.fromkeys(names))


_CONTAINER: Final = "vrijevelden"
_DEFINITION: Final = "vrijvelddefinitie"
_PREFIX: Final = "vrijveld"
_FLAG: Final = "vertrouwelijk"


_Field = tuple[str, Any, bool | None]
"""Code, value, and whether it is confidential; None where that is not said."""


class FreeFields:
    """Reads the free fields of rows of one endpoint.

    ``wanted`` are the codes to give, letter case aside; ``public`` those that the connection says are not confidential;
    ``ask`` tells which free fields of one record are confidential, by code in lower case. ``confidential`` are the wanted codes that are, so that
    they are left out, ``shapes`` the shapes met.
    """

    def __init__(
        self,
        wanted: Collection[str],
        *,
        shape: FreeShape = FreeShape.AUTO,
        public: Collection[str] = (),
        ask: Callable[[str], Mapping[str, bool]],
    ) -> None:
        self._wanted = {code.lower(): code for code in wanted}
        self._shape = shape
        self._ask = ask
        self._open = dict.fromkeys((code.lower() for code in public), True)
        self.shapes: set[FreeShape] = set()

    @property
    def confidential(self) -> frozenset[str]:
        """The wanted codes that are confidential."""
        return frozenset(code for lower, code in self._wanted.items() if self._open.get(lower) is False)

    def read(self, row: Mapping[str, Any], record_id: str) -> dict[str, str]:
        """Give the wanted free fields of a row by code, '' where it has none; ``row`` has its keys in lower case.

        Raises CoachviewAnswerUnreadable for another shape than the connection says, or a code that may be confidential.
        """
        found = dict.fromkeys(self._wanted.values(), "")
        for code, value, secret in self._fields(row):
            lower = code.lower()
            self._note(lower, secret=secret)
            text = _text(code, value) if lower in self._wanted and secret is not True else ""
            if text and self._is_open(code, record_id):
                found[self._wanted[lower]] = text
        return found

    def check_seen(self, keys: Collection[str]) -> None:
        """Make sure, after a page, that free fields were seen at all. ``keys`` are those of one of its rows.

        Raises CoachviewAnswerUnreadable: empty values for everyone would empty the fields in Moodle.
        """
        if self._wanted and self._shape is FreeShape.AUTO and not self.shapes:
            raise CoachviewAnswerUnreadable(
                Sentence(
                    "coachview.free.none_seen",
                    fields=", ".join(self._wanted.values()),
                    keys=", ".join(sorted(keys))[:600],
                )
            )

    def _fields(self, row: Mapping[str, Any]) -> Iterator[_Field]:
        for shape in shapes_of(row):
            if self._shape not in (FreeShape.AUTO, shape):
                raise CoachviewAnswerUnreadable(
                    Sentence("coachview.free.other_shape", shape=str(shape), said=str(self._shape))
                )
            self.shapes.add(shape)
        return fields_of(row)

    # ---- confidential or not -----------------------------------------------------------------------------------------

    def _is_open(self, code: str, record_id: str) -> bool:
        lower = code.lower()
        if lower not in self._open:
            why = self._look_up(record_id)
            if lower not in self._open:
                raise CoachviewAnswerUnreadable(Sentence("coachview.free.unknown", code=code, why=why))
        return self._open[lower]

    def _note(self, lower: str, *, secret: bool | None) -> None:
        """Remember what a definition says; once confidential is always confidential, whatever the connection says."""
        if secret is not None:
            self._open[lower] = self._open.get(lower, True) and not secret

    def _look_up(self, record_id: str) -> Sentence:
        """Ask Coachview for the definitions behind one record's free fields; say what came of it."""
        try:
            flags = self._ask(record_id)
        except (CoachviewDenied, CoachviewRefused) as error:
            return Sentence("coachview.free.list_unreadable", error=error.said)
        for code, secret in flags.items():
            self._note(code, secret=secret)
        return Sentence("coachview.free.list_silent")


# ---- shapes ----------------------------------------------------------------------------------------------------------


def shapes_of(row: Mapping[str, Any]) -> list[FreeShape]:
    """Give the shapes in which a row, its keys in lower case, has free fields. Raises CoachviewAnswerUnreadable."""
    found = []
    container = row.get(_CONTAINER)
    if isinstance(container, dict | list):
        found.append(FreeShape.OBJECT if isinstance(container, dict) else FreeShape.LIST)
    elif container is not None:
        raise CoachviewAnswerUnreadable(
            Sentence("coachview.free.no_container", key=_CONTAINER, type=type(container).__name__)
        )
    if any(_is_code(key) for key in row):
        found.append(FreeShape.TOP_LEVEL)
    return found


def fields_of(row: Mapping[str, Any]) -> Iterator[_Field]:
    """Give code, value and whether it is confidential (None: the row does not say) of each free field on a row."""
    container = row.get(_CONTAINER)
    if isinstance(container, dict):
        yield from (_one(str(code), value) for code, value in container.items())
    elif isinstance(container, list):
        yield from map(_item, container)
    yield from (_one(key, value) for key, value in row.items() if _is_code(key))


def free_codes(row: Mapping[str, Any], *, also_empty: bool = False) -> list[str]:
    """Give the codes of the free fields on a row that hold something."""
    return [code for code, value, _ in fields_of(row) if also_empty or value not in (None, "")]


def is_free(key: str) -> bool:
    """Tell whether a key that a mapping names is the code of a free field; those begin with Vrijveld."""
    return key.lower().startswith(_PREFIX)


def definitions(row: Mapping[str, Any]) -> dict[str, bool]:
    """Give what a row tells of its free fields: code in lower case → whether it is confidential."""
    return {code.lower(): secret for code, _, secret in fields_of(row) if secret is not None}


def _is_code(key: str) -> bool:
    return key.startswith(_PREFIX) and key not in (_CONTAINER, _DEFINITION)


def _one(code: str, value: object) -> _Field:
    """Read a value that stands under its code: bare, or with its definition beside it."""
    if isinstance(value, dict):
        lower = {str(key).lower(): inner for key, inner in value.items()}
        if "data" in lower:
            return code, lower["data"], _secret(lower)
    return code, value, None


def _item(item: object) -> _Field:
    """Read one ``{"data": …, "vrijveldDefinitie": {"code": …, "vertrouwelijk": …}}``."""
    lower = {str(key).lower(): value for key, value in item.items()} if isinstance(item, dict) else {}
    definition = lower.get(_DEFINITION)
    code = (
        {str(key).lower(): value for key, value in definition.items()}.get("code")
        if isinstance(definition, dict)
        else None
    )
    if not isinstance(code, str) or not code or "data" not in lower:
        raise CoachviewAnswerUnreadable(Sentence("coachview.free.no_code"))
    return code, lower["data"], _secret(lower)


def _secret(lower: Mapping[str, Any]) -> bool | None:
    definition = lower.get(_DEFINITION)
    if not isinstance(definition, dict):
        return None
    found = {str(key).lower(): value for key, value in definition.items()}.get(_FLAG)
    return found if isinstance(found, bool) else None


def _text(code: str, value: object) -> str:
    text = _scalar(value)
    if text is not None:
        return text
    if isinstance(value, list):
        return ", ".join(filter(None, (_text(code, one) for one in value)))
    raise CoachviewAnswerUnreadable(Sentence("coachview.free.no_value", code=code, type=type(value).__name__))
