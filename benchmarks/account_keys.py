"""Keys of accounts in the ledger: written, read and weighed, beside two other ways to keep them.

Run: python benchmarks/account_keys.py [most]. For 1,000 up to ``most`` (1,000,000) accounts, on SQLite and PostgreSQL (started
from the installed binaries, fsync on; left out with a word where there is none):

* ``odd``: what the coupling does, on a site where one account in ten has an address with a capital and one in a hundred
  such an ID number;
* ``worst``: the same where every ID number and every address is odd;
* ``table``: the peer, a table with id, folded ID number, address and username of everyone and an index on each;
* ``parquet``: the other peer, the same columns in one Parquet file, read whole and filtered.

Read are the accounts of 20 new persons, each by ID number, address and username. Every way must give the same accounts, which
is checked.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
from sqlalchemy import Column, Integer, MetaData, Table, Text, or_, select, text

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "plugins"))
sys.path.insert(0, str(ROOT / "tests"))

from databases import each_database

from moodle_coupling.ledger import schema
from moodle_coupling.ledger.accounts import AccountKeys
from moodle_coupling.ledger.bulk import TEXT, staged
from moodle_coupling.ledger.cells import BigId
from moodle_coupling.ledger.ledger import Ledger, open_ledger
from moodle_coupling.provisioning.snapshot.keys import folded, key, odd_keys

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
PERSONS: Final = 20
_PEER: Final = Table(
    "peer",
    MetaData(),
    Column("account_id", Integer, primary_key=True),
    *(Column(name, Text, index=True) for name in ("idnumber", "email", "username")),
)


def accounts(count: int, *, every: bool) -> pd.DataFrame:
    """Give accounts of whom one in ten has an odd address and one in a hundred an odd ID number, or (``every``) all."""
    ids = range(count)
    return pd.DataFrame(
        {
            "id": ids,
            "idnumber": [f"{'Cv' if every or id_ % 100 == 0 else 'CV'}-{id_:07}" for id_ in ids],
            "email": [f"{'P' if every or id_ % 10 == 0 else 'p'}ersoon{id_}@example.org" for id_ in ids],
            "username": [f"persoon{id_}" for id_ in ids],
        }
    )


def timed(work: Callable[[], Any], tries: int = 1) -> tuple[float, Any]:
    """Give the median of the seconds that some work took, and what it gave."""
    seconds = []
    for _ in range(tries):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[tries // 2], result


def size_of(ledger: Ledger, table: str, path: Path | None) -> int:
    """Give the bytes of a table with its indexes; on SQLite those of the whole file."""
    if path is not None:
        ledger.close()  # what is still in the write-ahead log goes into the file
        return path.stat().st_size
    with ledger.reading() as connection:
        return int(connection.execute(text(f"SELECT pg_total_relation_size('{table}')")).scalar_one())


def kept(ledger: Ledger, frame: pd.DataFrame) -> tuple[float, float, float, list[int]]:
    """Keep the odd keys as the coupling does: seconds to work them out, to write and to read, and the accounts found."""
    keys = AccountKeys(ledger, "demo")
    think, odd = timed(lambda: odd_keys(frame))
    write, _ = timed(lambda: keys.keep_everyone(odd, len(frame)))
    asked = [key(field, text) for field in ("idnumber", "email", "username") for text in wanted(frame)[field]]
    read, found = timed(lambda: keys.accounts_with(asked), tries=9)
    return think, write, read, found


def wanted(frame: pd.DataFrame) -> pd.DataFrame:
    """Give the accounts that the new persons turn out to be: with odd keys, all over the site."""
    return frame.iloc[:: max(100, len(frame) // PERSONS // 100 * 100)].head(PERSONS)


def in_a_table(ledger: Ledger, frame: pd.DataFrame) -> tuple[float, float, float, list[int]]:
    """Keep folded keys of everyone, as one would first do it."""
    names = ("idnumber", "email", "username")

    def fold() -> dict[str, Any]:
        return {"account_id": (BigId, frame["id"].tolist())} | {
            name: (TEXT, [folded(value) for value in frame[name]]) for name in names
        }

    think, columns = timed(fold)

    def write() -> None:
        with ledger.writing() as connection:
            _PEER.drop(connection, checkfirst=True)
            _PEER.create(connection)
            with staged(connection, columns, key=["account_id"]) as stage:
                connection.execute(_PEER.insert().from_select(list(columns), select(*stage.columns)))

    some = wanted(frame)

    def read() -> list[int]:
        ways = [_PEER.c[name].in_([folded(value) for value in some[name]]) for name in names]
        with ledger.reading() as connection:
            rows = connection.execute(select(_PEER.c.account_id).where(or_(*ways)).order_by(_PEER.c.account_id))
            return [int(id_) for id_ in rows.scalars()]

    written, _ = timed(write)
    seconds, found = timed(read, tries=9)
    return think, written, seconds, found


def in_parquet(path: Path, frame: pd.DataFrame) -> tuple[float, float, float, list[int]]:
    """Keep folded keys of everyone in a file of the staging area."""
    names = ("idnumber", "email", "username")
    think, whole = timed(lambda: frame[["id"]].assign(**{name: frame[name].map(folded) for name in names}))
    write, _ = timed(lambda: whole.to_parquet(path))
    some = wanted(frame)

    def read() -> list[int]:
        kept = pd.read_parquet(path)
        mask = pd.Series(data=False, index=kept.index)
        for name in names:
            mask |= kept[name].isin([folded(value) for value in some[name]])
        return [int(id_) for id_ in kept.loc[mask, "id"]]

    seconds, found = timed(read, tries=3)
    return think, write, seconds, found


def tell(what: str, count: int, figures: tuple[float, float, float, list[int]], size: int) -> None:
    """Print a line of the table."""
    think, write, read, found = figures
    assert len(found) == min(PERSONS, len(set(found))) > 0, found
    print(
        f"| {what} | {count:,} | {think:.2f} | {write:.2f} | {read * 1000:.1f} | {size / 1024:,.0f} | {len(found)} |",
        flush=True,
    )


def measure(name: str, new_url: Callable[[], str], folder: Path, most: int) -> None:
    """Measure one database."""
    for count in (size for size in SIZES if size <= most):
        common, worst = accounts(count, every=False), accounts(count, every=True)
        results = {}
        for what, frame, way, table in (
            ("odd", common, kept, "account_keys"),
            ("worst", worst, kept, "account_keys"),
            ("table", common, in_a_table, "peer"),
        ):
            url = new_url()
            schema.upgrade(url)
            ledger = open_ledger(url)
            path = Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else None
            empty = size_of(ledger, table, path) if path else 0
            results[what] = way(ledger, frame)
            tell(f"{name} {what}", count, results[what], size_of(ledger, table, path) - empty)
            ledger.close()
        file = folder / f"{name}{count}.parquet"
        results["parquet"] = in_parquet(file, common)
        tell(f"{name} parquet", count, results["parquet"], file.stat().st_size)
        assert len({tuple(figures[3]) for figures in results.values()}) == 1


def main() -> None:
    """Measure both databases."""
    most = int(sys.argv[1]) if len(sys.argv) > 1 else SIZES[-1]
    print("| how | accounts | work out s | write s | read ms | KiB | found |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for name, new_database in each_database():
            measure(name, new_database, Path(folder), most)


if __name__ == "__main__":
    main()
