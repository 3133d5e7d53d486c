"""Parquet: typed columns as the texts a person would write."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.errors import SourceError
from moodle_coupling.people.arrow import pa, pc
from moodle_coupling.sources.headings import find_headings
from moodle_coupling.sources.records import Records, add_chunk
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from moodle_coupling.sources.contract import Extract
    from moodle_coupling.sources.files.places import Caps
    from moodle_coupling.sources.files.settings import FileSource

_BATCH: Final = 50_000
_TEXT: Final = ("String", "None", "JSON", "Enum")
_NARROW: Final = {"halffloat": 2**11, "float": 2**24}
"""Kinds of floats narrower than Python's, and from where on they have lost digits of whole numbers."""


def read_parquet(data: bytes, source: FileSource, file: str, caps: Caps) -> Extract:
    """Return the persons of a Parquet file; ``row`` is the running number of the row, from 1.

    Values become texts as :func:`moodle_coupling.sources.records.as_texts` says. A row with bytes that are no text, or with a
    NUL, is left out with its reason.

    Raises:
        SourceError: no Parquet, cut off, encrypted, without the columns that are needed, larger than the settings allow, or
            with fewer rows than it announces.

    """
    try:
        parquet = importlib.import_module("pyarrow.parquet")
        about = parquet.read_metadata(pa.BufferReader(data))
        names = about.schema.to_arrow_schema().names
        headings = find_headings(names, source.columns, file)
        wanted = {name: names[position] for name, position in headings.positions.items()}
        caps.check_rows(about.num_rows, file)
        caps.check_columns(len(names), file)
        caps.check_unpacked(_announced(about, set(wanted.values())), file)
        book = parquet.ParquetFile(pa.BufferReader(data), read_dictionary=_texts(about, set(wanted.values())))
        records, size = Records(headings, caps.cell_characters), _Size(caps, file)
        read = 0
        for batch in book.iter_batches(batch_size=_BATCH, columns=sorted(set(wanted.values()))):
            if len(batch):
                columns = {name: _values(size.decoded(batch.column(there))) for name, there in wanted.items()}
                add_chunk(records, read + 1, columns)
            read += len(batch)
            caps.check_rows(read, file)
    except (pa.ArrowException, OSError) as error:
        said = str(error).partition("\n")[0][:120]
        raise SourceError(Sentence("sources.parquet.unreadable", file=file, said=said)) from error
    if read != about.num_rows:
        raise SourceError(Sentence("sources.parquet.rows_missing", file=file, announced=about.num_rows, read=read))
    return records.extract({"rows": str(read)}, file)


def _texts(metadata: Any, wanted: set[str]) -> list[str]:
    """Return the columns of texts. A dictionary of them stays one until its size is known: a few bytes may stand for the same
    long text in every row.
    """  # noqa: D205
    columns = [metadata.schema.column(number) for number in range(metadata.num_columns)]
    return [
        column.path
        for column in columns
        if column.physical_type == "BYTE_ARRAY"
        and str(column.logical_type) in _TEXT
        and column.path.partition(".")[0] in wanted
        and column.path.count(".") in (0, 2)
    ]


def _announced(metadata: Any, wanted: set[str]) -> int:
    """Return how many bytes the wanted columns say that they unpack to."""
    size = 0
    for group in range(metadata.num_row_groups):
        chunks = (metadata.row_group(group).column(number) for number in range(metadata.num_columns))
        size += sum(
            chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema.partition(".")[0] in wanted
        )
    return size


class _Size:
    """Counts what the texts of a file come to when they are written out."""

    def __init__(self, caps: Caps, file: str) -> None:
        self._caps, self._file, self._sum = caps, file, 0

    def decoded(self, column: Any) -> Any:
        """Give a column without its dictionary; raises SourceError before it takes more memory than the settings allow."""
        texts = column.flatten() if pa.types.is_list(column.type) else column
        if not pa.types.is_dictionary(texts.type):
            return column
        lengths = pc.binary_length(texts.dictionary.cast(pa.large_binary()))
        self._sum += pc.sum(lengths.take(texts.indices)).as_py() or 0
        self._caps.check_unpacked(self._sum, self._file)
        return texts.dictionary_decode() if texts is column else column


def _values(column: Any) -> Any:
    """Return a column's values: texts as they are, anything else as Python has it."""
    if str(column.type) in _NARROW:
        exact = _NARROW[str(column.type)]
        return [str(value) if value is not None and abs(value) >= exact else value for value in column.to_pylist()]
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column.to_pylist()
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return column.cast(pa.large_binary()).to_pylist()
    return column.cast(pa.large_string())
