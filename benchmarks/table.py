"""Every step of a run at every size, beside its peers in the same run: one table, its growth, and a plot.

Run it from the project: ``make bench`` (some ten minutes on an idle machine; it writes docs/performance.md and the plots), or
``make bench-quick``, which only shows that everything runs. Each measurement is a process of its own, so that its peak of memory is
its own; what is measured is checked by the benchmark of that step, whose inputs and peers these are.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "tests"), str(ROOT / "benchmarks")]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
FEW: Final = 50
PAGE: Final = ROOT / "docs" / "performance.md"
PLOT: Final = ROOT / "docs" / "images" / "benchmarks-{theme}.svg"
BEGIN, END = "<!-- make bench -->\n", "<!-- end -->\n"
OURS: Final = "ours"


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a run: how each way of doing it is prepared and done, and up to how many people it is done so."""

    name: str
    ways: dict[str, tuple[Callable[[int, Path], Callable[[], Any]], int]]


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement: seconds by the clock, and the peak memory in MB of its process, its input in it."""

    step: str
    size: int
    way: str
    seconds: float
    peak: float


# ---- the steps: each function prepares, and gives what is to be timed ------------------------------------------------------


def read_csv(count: int, folder: Path) -> Callable[[], Any]:
    """Read a CSV as a run does."""
    import sources

    sources.made(count).to_csv(folder / "persons.csv", sep=";", index=False)
    sources.HOME = str(folder)
    return lambda: sources.read({"path": "persons.csv"})


def read_csv_rows(count: int, folder: Path) -> Callable[[], Any]:
    """Read a CSV row by row, into dictionaries."""
    import csv

    import sources

    sources.made(count).to_csv(folder / "persons.csv", sep=";", index=False)

    def read() -> list[dict[str, str]]:
        with (folder / "persons.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, delimiter=";"))

    return read


def clean(count: int, _folder: Path) -> Callable[[], Any]:
    """Clean, name and judge people, and number their usernames."""
    import transform

    persons = transform.make_persons(count, seed=1)
    return lambda: transform.ours(persons)


def clean_by_loop(count: int, _folder: Path) -> Callable[[], Any]:
    """Do the same in a loop over the rows."""
    import transform

    persons = transform.make_persons(count, seed=1)
    return lambda: transform.by_loop(persons)


def clean_by_apply(count: int, _folder: Path) -> Callable[[], Any]:
    """Do the same by DataFrame.apply."""
    import transform

    persons = transform.make_persons(count, seed=1)
    return lambda: transform.by_apply(persons)


def plan(count: int, folder: Path) -> Callable[[], Any]:
    """Go from raw persons to a plan, against as many accounts."""
    import matching
    import pandas as pd

    from moodle_coupling.matching.frames import Remembered
    from moodle_coupling.matching.plan import make_plan
    from moodle_coupling.people.arrow import compact_memory
    from moodle_coupling.people.transform import transform

    compact_memory()  # as the tasks of a run do
    matching.make_elsewhere(folder, count)
    persons, accounts, links = (
        pd.read_parquet(folder / f"{name}.parquet") for name in ("persons", "accounts", "links")
    )
    given = [persons]
    del persons

    def work() -> None:
        done = transform(given.pop(), matching.MAPPING)  # a run lets go of them too: its plan is a task of its own
        make_plan(
            done.candidates, done.reasons, accounts, matching.MAPPING, remembered=Remembered(links=links), full=True
        )

    return work


def plan_by_loop(count: int, folder: Path) -> Callable[[], Any]:
    """Do less than that (no reasons, evidence, doubles, names or orphans) with dictionaries, one person after another."""
    import matching
    import pandas as pd

    matching.make_elsewhere(folder, count)
    persons, accounts = (pd.read_parquet(folder / f"{name}.parquet") for name in ("persons", "accounts"))
    return lambda: matching.by_loop(persons, accounts)


def settle(count: int, folder: Path) -> Callable[[], Any]:
    """Put what became of everyone on record (SQLite)."""
    import ledger_rows as bench

    ledger, run = _ledger(count, folder)
    frame = bench.outcomes(range(count), at=bench.NOW)
    return lambda: bench.settle(ledger, run, frame)


def settle_by_row(count: int, folder: Path) -> Callable[[], Any]:
    """Do the same by the ORM, an object each, a commit for each 200."""
    import ledger_rows as bench

    _, run = _ledger(count, folder)
    return lambda: bench.row_by_row(f"sqlite:///{folder}/ledger.db", run, count)


def _ledger(count: int, folder: Path) -> tuple[Any, str]:
    import ledger_rows as bench

    url = f"sqlite:///{folder}/ledger.db"
    bench.schema.upgrade(url)
    ledger = bench.open_ledger(url)
    run = bench.begin_run(ledger, "demo", "dag", "run", mode="full").id
    keys = [str(number) for number in range(count)]
    bench.plan_intentions(ledger, run, keys, digest="plan")
    bench.mark_sent(ledger, run, keys, "batch")
    return ledger, run


def load(count: int, _folder: Path) -> Callable[[], Any]:
    """Create everyone in a sandbox as fast as it answers: 50 a call, two requests in flight, the ledger kept."""
    import loading

    people = [loading.fields(number, 0) for number in range(count)]
    return lambda: _in_sandbox(count, lambda url, token: loading.by_loader(people, url, token, 50, 2).seconds)


def load_bare(count: int, _folder: Path) -> Callable[[], Any]:
    """Send the same requests and do nothing else."""
    import loading
    from bare import bare_loop

    requests = loading.recorded([loading.fields(number, 0) for number in range(count)], 50, 2)
    writes = {loading.CREATE_USERS}
    return lambda: _in_sandbox(count, lambda url, token: bare_loop(requests, url, token, 2, writes=writes).seconds)


def load_one_by_one(count: int, _folder: Path) -> Callable[[], Any]:
    """Make one call per person, two at a time."""
    import loading

    people = [loading.fields(number, 0) for number in range(count)]
    return lambda: _in_sandbox(count, lambda url, token: loading.one_by_one(people, url, token, 2))


def _in_sandbox(count: int, work: Callable[[str, str], float]) -> float:
    import loading

    with loading.sandbox(realistic=False, expected=count) as (url, token):
        return work(url, token)


STEPS: Final = (
    Step("read a CSV", {OURS: (read_csv, 1_000_000), "csv.DictReader, nothing checked": (read_csv_rows, 1_000_000)}),
    Step(
        "clean, name, judge, number",
        {OURS: (clean, 1_000_000), "row loop": (clean_by_loop, 100_000), "DataFrame.apply": (clean_by_apply, 10_000)},
    ),
    Step(
        "raw persons to a plan",
        {OURS: (plan, 1_000_000), "row loop, which knows less": (plan_by_loop, 100_000)},
    ),
    Step("outcomes on record", {OURS: (settle, 1_000_000), "ORM, row by row": (settle_by_row, 10_000)}),
    Step(
        "create in a sandbox",
        {
            OURS: (load, 10_000),
            "bare loop of its requests": (load_bare, 10_000),
            "one call per person": (load_one_by_one, 1_000),
        },
    ),
)


# ---- measuring -------------------------------------------------------------------------------------------------------------


def child(step: str, size: int, way: str) -> None:
    """Measure one way of one step, and print it as JSON; whatever else is printed goes to stderr."""
    prepare = next(one for one in STEPS if one.name == step).ways[way][0]
    with redirect_stdout(sys.stderr), tempfile.TemporaryDirectory() as folder:
        # Once for a few: what is imported when first used is none of the work.
        with tempfile.TemporaryDirectory() as another:
            prepare(FEW, Path(another))()
        work = prepare(size, Path(folder))
        began = time.perf_counter()
        told = work()
        seconds = told if isinstance(told, float) else time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def measured(sizes: Iterable[int]) -> Iterator[Measured]:
    """Measure every step at every size, ours and its peers beside each other."""
    for step in STEPS:
        for size in sizes:
            for way, (_, most) in step.ways.items():
                if size <= most:
                    command = [sys.executable, __file__, "--child", step.name, str(size), way]
                    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                    yield Measured(step.name, size, way, **json.loads(told))


def table(all_: list[Measured]) -> str:
    """Give the table in Markdown: growth is the exponent from one size to the next, 1 where twice the people take twice as long."""
    lines = [
        "| step | way | people | seconds | people a second | peak MB | growth |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    before: dict[tuple[str, str], Measured] = {}
    for one in all_:
        smaller = before.get((one.step, one.way))
        growth = f"{math.log(one.seconds / smaller.seconds) / math.log(one.size / smaller.size):.2f}" if smaller else ""
        before[one.step, one.way] = one
        way = f"**{one.way}**" if one.way == OURS else one.way
        seconds = f"{one.seconds:.3f}" if one.seconds < 1 else f"{one.seconds:.1f}"
        lines.append(
            f"| {one.step} | {way} | {one.size:,} | {seconds} | {one.size / one.seconds:,.0f} | {one.peak:,.0f} | {growth} |"
        )
    return "\n".join(lines) + "\n"


def machine() -> str:
    """Say on what it was measured."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    import pandas as pd
    import pyarrow as pa

    return (
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {os.cpu_count()} cores ({model[1] if model else platform.machine()}), {memory:.0f} GB, "
        f"Python {platform.python_version()}, pandas {pd.__version__}, pyarrow {pa.__version__}; load before it began "
        f"{os.getloadavg()[0]:.1f}"
    )


def plot(all_: list[Measured]) -> None:
    """Draw seconds over people, a panel for each step, light and dark."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    mpl.rcParams.update({"svg.hashsalt": "benchmarks", "font.family": "sans-serif", "font.size": 9})
    for theme, ink, paper in (("light", "#1f2328", "#ffffff"), ("dark", "#e6edf3", "#0d1117")):
        with plt.rc_context(
            dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), ink)
        ):
            figure, panels = plt.subplots(
                1, len(STEPS), figsize=(3 * len(STEPS), 3), facecolor=paper, layout="constrained"
            )
            for step, panel in zip(STEPS, panels, strict=True):
                _panel(panel, step, [one for one in all_ if one.step == step.name], paper)
            figure.savefig(str(PLOT).format(theme=theme), facecolor=paper, metadata={"Date": None})
            plt.close(figure)


def _panel(panel: Any, step: Step, found: list[Measured], paper: str) -> None:
    panel.set(title=step.name, xscale="log", yscale="log", xlabel="people", ylabel="seconds", facecolor=paper)
    for way, style in zip(step.ways, ("o-", "s--", "^:"), strict=False):
        line = [one for one in found if one.way == way]
        panel.plot([one.size for one in line], [one.seconds for one in line], style, label=way, markersize=4)
    panel.grid(visible=True, alpha=0.25)
    panel.legend(frameon=False, fontsize=7, labelcolor="linecolor")


def write(text: str) -> None:
    """Put the table into docs/performance.md, in the place of the one before."""
    page = PAGE.read_text("utf-8")
    before, rest = page.split(BEGIN)
    PAGE.write_text(before + BEGIN + text + END + rest.split(END)[1], "utf-8")


def main() -> None:
    """Measure, print, and with --write put it into the documentation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and its plots")
    parser.add_argument("--child", nargs=3, metavar=("STEP", "SIZE", "WAY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], int(options.child[1]), options.child[2])
        return
    said = machine()
    found = list(measured(options.sizes))
    print(f"{said}\n\n{table(found)}")
    if options.write:
        write(f"\n{said}.\n\n{table(found)}\n")
        plot(found)


if __name__ == "__main__":
    main()
