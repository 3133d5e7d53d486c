"""Several sources that feed one environment, in order of authority."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from moodle_coupling.sources.contract import Extract, ExtractCounts, Mode, Wanted
from moodle_coupling.sources.persons import completed
from moodle_coupling.sources.several.combination import Joining, Part, combined
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from moodle_coupling.sources.contract import Source


@dataclass(frozen=True)
class SeveralReader:
    """Several sources as one: see :func:`moodle_coupling.sources.several.combination.combined`.

    ``names`` are what people call them. A changed run asks each part that can tell what changed for just that, puts it into
    what ``Wanted.known`` says of that part, and gives everyone; without it that part is read as a whole.
    """

    parts: tuple[Source, ...]
    names: tuple[str, ...]
    joining: Joining
    kind: str = "several"

    @property
    def where(self) -> Sentence:
        """Where each of them reads."""
        return Sentence("sources.where.all", parts=[part.where for part in self.parts])

    @property
    def incremental(self) -> bool:
        """Whether one of them can tell what changed."""
        return any(part.incremental for part in self.parts)

    def extract(self, wanted: Wanted) -> Extract:
        """Read all of them; nothing is given when one of them fails.

        Raises:
            SourceError: one of them cannot be read; as each of them says.

        """
        if wanted.mode is Mode.IDS:
            return self._joined(self._some(wanted))
        since = _unpacked(wanted.since)
        found = [self._read(number, part, wanted, since) for number, part in enumerate(self.parts)]
        return replace(
            self._joined(found),
            watermark=json.dumps({_key(number): each.watermark for number, each in enumerate(found)}),
            kept={_key(number): each.persons for number, each in enumerate(found) if self.parts[number].incremental},
        )

    def _read(self, number: int, part: Source, wanted: Wanted, since: dict[str, str]) -> Extract:
        key = _key(number)
        if wanted.mode is not Mode.CHANGED or not part.incremental or key not in wanted.known:
            return part.extract(Wanted(since=since.get(key, ""), keep=wanted.keep, sharing=wanted.sharing))
        found = part.extract(Wanted(Mode.CHANGED, since.get(key, ""), sharing=wanted.sharing))
        if found.complete:
            return found
        return completed(wanted.known[key], found)

    def _some(self, wanted: Wanted) -> list[Extract]:
        """Read some persons: also what a source knows of them under an id that only another source told."""
        ids = tuple(wanted.ids)
        while True:
            found = [part.extract(Wanted(Mode.IDS, ids=ids, sharing=wanted.sharing)) for part in self.parts]
            more = {str(id_) for each in found for name in ("person_id", "extern_id") for id_ in each.persons[name]}
            if more <= {"", *ids}:
                return found
            ids = tuple(sorted({*ids, *more} - {""}))

    def _joined(self, found: list[Extract]) -> Extract:
        parts = [
            Part(name, each.persons, knows_inactive="inactive" in each.headings)
            for name, each in zip(self.names, found, strict=True)
        ]
        persons = combined(parts, self.joining)
        left_out = tuple(
            replace(line, source=name) for name, each in zip(self.names, found, strict=True) for line in each.left_out
        )
        blank = sum(each.counts.blank for each in found)
        repeated = sum(each.counts.repeated for each in found)
        return Extract(
            persons,
            left_out,
            ExtractCounts(
                len(persons) + len(left_out) + blank + repeated, len(persons), len(left_out), blank, repeated
            ),
            {column: heading for each in reversed(found) for column, heading in each.headings.items()},
            {
                f"{name}: {note}": text
                for name, each in zip(self.names, found, strict=True)
                for note, text in each.notes.items()
            },
            complete=all(each.complete for each in found),
            warnings=tuple(warning for each in found for warning in each.warnings),
            brought=tuple(
                replace(part, source=name)
                for name, each in zip(self.names, found, strict=True)
                for part in each.brought
            ),
        )


def _key(number: int) -> str:
    return f"source{number}"


def _unpacked(watermark: str) -> dict[str, str]:
    try:
        found = json.loads(watermark) if watermark else {}
    except ValueError:
        return {}
    return {str(key): str(text) for key, text in found.items()} if isinstance(found, dict) else {}
