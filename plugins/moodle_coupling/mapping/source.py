"""The part of a mapping file that says where the persons come from: what holds for every kind of source, and which kinds there are."""

from __future__ import annotations

import importlib
import pkgutil
import re
from abc import abstractmethod
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Protocol, get_args

from pydantic import (
    Field,
    SerializeAsAny,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
)
from pydantic_core import core_schema

from moodle_coupling.contract.columns import FINDINGS, PERSON_COLUMNS, ROW
from moodle_coupling.mapping.checks import Location, did_you_mean
from moodle_coupling.mapping.parts import FilledText, Part, refuse
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingOf
    from pathlib import Path

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

_SOURCES: Final = "moodle_coupling.sources"
_COLUMN_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")


class SourceSettings(Part):
    """What every kind of source can be told."""

    name: str = Field("", description="Name for people, where several sources are told apart.")
    columns: dict[str, FilledText] = Field(
        default_factory=dict,
        description="Our column name → the source's heading, where the usual Dutch and English headings do not do. A "
        "name that is not one of ours adds a free field under that name.",
    )

    without: list[FilledText] = Field(
        default_factory=list,
        description="Our columns that this source does not bring, on purpose. A column that is used (infix, initials, inactive, "
        "an e-mail) and that is not there any more, or under a heading that only looks like it, stops the run otherwise.",
    )

    type: str  # each kind says it as a Literal, and describes it

    @abstractmethod
    def where(self, base: Path) -> Sentence | str:
        """Give where it is read, for people and without a secret; ``base`` is the folder a relative path starts at."""

    @field_validator("without")
    @classmethod
    def _our_columns(cls, value: list[str]) -> list[str]:
        ours = [column.name for column in PERSON_COLUMNS if column.name != ROW]
        found: list[tuple[Location, Sentence]] = [
            ((place,), Sentence("mapping.column.not_ours", column=name, hint=did_you_mean(name, ours)))
            for place, name in enumerate(value)
            if name not in ours
        ]
        if found:
            refuse(found)
        return value

    @field_validator("columns")
    @classmethod
    def _column_names(cls, value: dict[str, str]) -> dict[str, str]:
        found: list[tuple[Location, Sentence]] = [
            ((name,), problem) for name, heading in value.items() if (problem := _name_problem(name, heading))
        ]
        if found:
            refuse(found)
        return value


class Declaration(Protocol):
    """What a mapping file knows of a kind of source: the part of ``sources.contract.Kind`` that is about settings."""

    persons: type[SourceSettings] | None
    access: type[SourceSettings] | None
    place: int


@cache
def declared() -> MappingOf[str, Declaration]:
    """Give the KIND of each folder of sources that has one, by the ``type`` it is called by, as they are listed for people.

    The folders are looked for when a mapping is read, and not when this module is imported: they import it.
    """
    path = importlib.import_module(_SOURCES).__path__
    folders = [importlib.import_module(f"{_SOURCES}.{each.name}") for each in pkgutil.iter_modules(path) if each.ispkg]
    kinds: list[Declaration] = [folder.KIND for folder in folders if hasattr(folder, "KIND")]
    return {_type_of(kind): kind for kind in sorted(kinds, key=lambda kind: (kind.place, _type_of(kind)))}


def _type_of(kind: Declaration) -> str:
    """Give what a kind is called: the one text that its settings allow as ``type``."""
    settings = [each for each in (kind.persons, kind.access) if each is not None]
    types = {name for each in settings for name in get_args(each.model_fields["type"].annotation)}
    if len(types) != 1:
        msg = f"{type(kind).__name__} must have settings, all with one and the same Literal as 'type', and has {sorted(types)}"
        raise TypeError(msg)
    return str(types.pop())


class SourceKinds:
    """The kinds of source that ``persons`` come from, or lists of ``access``: what a key of a mapping file is annotated with.

    A value under such a key is read by the settings of the ``type`` it says; the JSON Schema offers them all.
    """

    def __init__(self, what: Literal["persons", "access"]) -> None:
        self._what = what

    def kinds(self) -> dict[str, type[SourceSettings]]:
        """Give the settings of each kind, by its type."""
        offered = {name: getattr(kind, self._what) for name, kind in declared().items()}
        return {name: settings for name, settings in offered.items() if settings is not None}

    def kind_of(self, value: Any) -> type[SourceSettings] | None:
        """Give the settings that are meant, a file's where no type is said; None where there is no such type."""
        kind = value.get("type", "file") if isinstance(value, dict) else "file"
        return self.kinds().get(kind) if isinstance(kind, str) else None

    def read(self, value: Any) -> SourceSettings:
        """Give the settings that a value of a mapping file is; raises ValidationError."""
        if isinstance(value, SourceSettings):
            return value
        settings = self.kind_of(value)
        if settings is None:
            kind, kinds = str(value["type"]), self.kinds()
            choices, hint = ", ".join(kinds), did_you_mean(kind, kinds)
            said = Sentence("mapping.value.not_one_of", value=f"'{kind[:60]}'", choices=choices, hint=hint)
            refuse([(("type",), said)])
        return settings.model_validate(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(core_schema.union_schema([each.__pydantic_core_schema__ for each in self.kinds().values()]))


PERSON_SOURCES: Final = SourceKinds("persons")

_List = Annotated[list[Annotated[SourceSettings, PERSON_SOURCES]], Field(min_length=1)]
_SEVERAL: Final[TypeAdapter[list[SourceSettings]]] = TypeAdapter(_List)


def _one_or_several(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:  # noqa: ARG001
    return _SEVERAL.validate_python(value) if isinstance(value, list) else PERSON_SOURCES.read(value)


Sources = Annotated[Annotated[SourceSettings, PERSON_SOURCES] | _List, WrapValidator(_one_or_several), SerializeAsAny()]
"""What ``source:`` holds: one source, or several in order of authority."""


def _name_problem(name: str, heading: str) -> Sentence | None:
    if name == ROW:
        return Sentence("mapping.column.row", column=ROW)
    if name in FINDINGS:
        return Sentence("mapping.column.finding", column=name)
    if _COLUMN_NAME.fullmatch(name):
        return None
    ours = [column.name for column in PERSON_COLUMNS]
    if heading in ours:
        return Sentence("mapping.column.the_other_way", heading=heading, column=name)
    return Sentence("mapping.column.no_name", column=name, hint=did_you_mean(name, ours))
