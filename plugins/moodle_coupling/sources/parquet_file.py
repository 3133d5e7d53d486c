"""Parquet: typed columns as the texts a person would write."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.errors import SourceError
from moodle_coupling.people.arrow import pa
from moodle_coupling.sources.chunks import add_chunk
from moodle_coupling.sources.headings import find_headings
from moodle_coupling.sources.records import Records

if TYPE_CHECKING:
    from moodle_coupling.mapping import FileSource
    from moodle_coupling.sources.extract import Extract

_BATCH: Final = 50_000


def read_parquet(data: bytes, source: FileSource, file: str) -> Extract:
    """Return the persons of a Parquet file; ``row`` is the running number of the row, from 1.

    Values become texts as :func:`moodle_coupling.sources.texts.as_texts` says. A row with bytes that are no text, or with a
    NUL, is left out with its reason.

    Raises:
        SourceError: no Parquet, cut off, encrypted, without the columns that are needed, or with fewer rows than it
            announces.

    """
    try:
        book = importlib.import_module("pyarrow.parquet").ParquetFile(pa.BufferReader(data))
        headings = find_headings(book.schema_arrow.names, source.columns, file)
        records = Records(headings)
        read = 0
        wanted = {name: book.schema_arrow.names[position] for name, position in headings.positions.items()}
        for batch in book.iter_batches(batch_size=_BATCH, columns=sorted(set(wanted.values()))):
            if len(batch):
                add_chunk(records, read + 1, {name: _values(batch.column(there)) for name, there in wanted.items()})
            read += len(batch)
    except (pa.ArrowException, OSError) as error:
        msg = f"{file} cannot be read as Parquet ({error}): it is damaged, cut off or encrypted. Have it written and sent again."
        raise SourceError(msg) from error
    if read != book.metadata.num_rows:
        msg = f"{file} announces {book.metadata.num_rows} rows and holds {read}: it is damaged. Have it written again."
        raise SourceError(msg)
    return records.extract({"rows": str(read)})


def _values(column: Any) -> Any:
    """Return a column's values: texts as they are, anything else as Python has it."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column.to_pylist()
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return column.cast(pa.large_binary()).to_pylist()
    return column.cast(pa.large_string())
