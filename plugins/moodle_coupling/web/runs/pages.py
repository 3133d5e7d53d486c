"""The runs: the latest of them, and the report of one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Query, Request, Response

from moodle_coupling.ledger.errors import NotInLedger
from moodle_coupling.ledger.runs import Run, find_run, get_run, latest_runs
from moodle_coupling.orchestration import names
from moodle_coupling.orchestration.status import ended
from moodle_coupling.web.base.access import Access, AccessDep, Right
from moodle_coupling.web.base.couplings import the_ledger
from moodle_coupling.web.base.forms import FormDep
from moodle_coupling.web.base.templating import Addresses, addresses, duration, is_htmx, rate, redirect, render
from moodle_coupling.web.base.words import texts_for
from moodle_coupling.web.environments.state import access_of, figures_of
from moodle_coupling.web.runs import access as run_access
from moodle_coupling.web.runs import rows as run_words
from moodle_coupling.web.runs.report import Report, airflow_run
from moodle_coupling.web.runs.rows import LIMIT, Filters, Reader, Row, read_filters
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    import pandas as pd

    from moodle_coupling.words.sentence import Texts

router = APIRouter()
LATEST: Final = 50
"""Runs on a page of the list."""
MOST: Final = 5000
"""Runs that the list goes back."""


@router.get("/runs")
def runs(
    request: Request,
    access: AccessDep,
    environment: str = "",
    dag_id: str = "",
    offset: Annotated[int, Query(ge=0, le=MOST)] = 0,
) -> Response:
    """List the latest runs: of all environments, of one, or (from Airflow's view of a Dag) of one Dag."""
    if dag_id and not names.environment_of(dag_id):
        return render(request, "runs/not_ours.html", dag_id=dag_id)
    environment = names.environment_of(dag_id) or environment
    if environment:
        access.require(Right.READ, environment)
    mine = access.environments()
    found = _latest([environment] if environment else mine, dag_id, offset)
    return render(
        request,
        "runs/list.html",
        runs=found[:LATEST],
        more=len(found) > LATEST,
        offset=offset,
        step=LATEST,
        environment=environment,
        dag_id=dag_id,
        titles={name: access.coupling(name).title for name in mine},
        figures_of=figures_of,
        access_of=access_of,
        duration=lambda seconds: duration(seconds, texts_for(request)),
    )


@router.get("/runs/of")
def run_of(request: Request, access: AccessDep, dag_id: str = "", run_id: str = "") -> Response:
    """Find the report of one of Airflow's runs, or say why there is none (yet) and what to do."""
    environment = names.environment_of(dag_id)
    if not environment:
        return render(request, "runs/not_ours.html", dag_id=dag_id)
    access.require(Right.READ, environment)
    run = find_run(the_ledger(), environment, dag_id, run_id)
    if run is not None:
        where = f"/runs/{run.id}"
        if is_htmx(request):  # the page that waited for it
            return Response(headers={"HX-Redirect": f"{addresses(request).ours}{where}"})
        return redirect(request, where)
    template = "runs/_none.html" if is_htmx(request) else "runs/none.html"
    known = airflow_run(dag_id, run_id)
    return render(request, template, dag_id=dag_id, run_id=run_id, known=known, env=environment)


@router.get("/runs/{run}")
def run_report(request: Request, run: str, access: AccessDep) -> Response:
    """Show the report of a run, with one page of its rows."""
    record = readable(access, run)
    filters = read_filters(request.query_params, names=access.sees_names(record.environment))
    report = Report(the_ledger(), record)
    if is_htmx(request):
        return render(request, "runs/_rows.html", **rows_values(request, access, report, filters))
    values = rows_values(request, access, report, filters) | live_values(request, access, report)
    return render(request, "runs/one.html", **values)


@router.get("/runs/{run}/live")
def live(request: Request, run: str, access: AccessDep) -> Response:
    """Tell how far a run is; once it has ended the whole page is loaded anew."""
    report = Report(the_ledger(), readable(access, run))
    if not report.is_underway:
        return Response(headers={"HX-Refresh": "true"})
    return render(request, "runs/_live_answer.html", **live_values(request, access, report))


@router.post("/runs/{run}/filter")
def find(request: Request, run: str, access: AccessDep, form: FormDep) -> Response:
    """Take what was chosen and typed to look for, and show the rows from an address that names nobody."""
    record = readable(access, run)
    filters = replace(read_filters(form, names=access.sees_names(record.environment)), offset=0)
    where = Addresses("", "").url(f"/runs/{run}", **filters.query())
    return redirect(request, f"{where}#rows")


def _latest(names: list[str], dag_id: str, offset: int) -> list[Run]:
    """Give the runs from ``offset`` on, latest first, one more than a page takes; runs of a Dag alone where it is named."""
    # Of one Dag there may be few among many of the other.
    most = MOST if dag_id else offset + LATEST + 1
    found = [run for name in names for run in latest_runs(the_ledger(), name, limit=most)]
    found = [run for run in found if dag_id in {"", run.dag_id}]
    found.sort(key=lambda run: run.started, reverse=True)
    shown = found[offset : offset + LATEST + 1]
    over = ended(shown)
    return [over.get(run.id, run) for run in shown]


def readable(access: Access, run: str) -> Run:
    """Give a run; raises 404 when it is not there or not to be read."""
    try:
        record = get_run(the_ledger(), run)
    except NotInLedger:
        raise HTTPException(404) from None
    access.require(Right.READ, record.environment)
    return ended([record]).get(record.id, record)


def rows_values(request: Request, access: Access, report: Report, filters: Filters) -> dict[str, Any]:
    """Give what the list of rows takes."""
    texts, url, run = texts_for(request), addresses(request).url, report.run
    page, reader = report.page(filters), Reader(access, texts)
    shown = report.shows(filters)
    rows = []
    if page is not None:
        rows = rows_on(page.rows, shown, run.environment, reader)

    def at(**other: Any) -> str:
        return url(f"/runs/{run.id}", **replace(filters, offset=0).query(**other))

    return {
        "report": report,
        "run": run,
        "filters": filters,
        "shown": shown,
        "rows": rows,
        "total": page.total if page is not None else None,
        "limit": LIMIT,
        "names": access.sees_names(run.environment),
        "at": at,
        "page_at": lambda offset: at(offset=offset),
        "sort_at": lambda name, descending: at(sort=name, descending=descending),
        "several": False,
        "run_words": run_words,
        "run_access": run_access,
        "code_word": lambda code: run_words.code_word(texts, code),
        "access_code_word": lambda code: run_access.why(texts, code),
        "mend_word": lambda code, status: run_words.mend_word(texts, code, status),
    }


def rows_on(frame: pd.DataFrame, shown: str, environment: str, reader: Reader) -> list[Any]:
    """Make the rows of one page of a list (Report.shows) for its reader."""
    if shown.startswith("access"):
        return run_access.access_rows(reader.access, reader.texts, environment, frame)
    return reader.outcomes(frame) if shown == "outcomes" else reader.planned(environment, frame)


def live_values(request: Request, access: Access, report: Report) -> dict[str, Any]:
    """Give what the head of the report takes."""
    texts, url, run = texts_for(request), addresses(request).url, report.run

    def narrowed(**chosen: Any) -> str:
        return f"{url(f'/runs/{run.id}', **Filters(**chosen).query())}#rows"

    return {
        "report": report,
        "run": run,
        "title": access.coupling(run.environment).title,
        "narrowed": narrowed,
        "examples": lambda: report_examples(report, Reader(access, texts), texts),
        "duration": lambda seconds: duration(seconds, texts),
        "rate": lambda per_second: rate(per_second, texts),
        "field_word": lambda field: run_words.field_word(texts, field),
        "run_words": run_words,
        "run_access": run_access,
        "code_word": lambda code: run_words.code_word(texts, code),
        "mend_word": lambda code, status: run_words.mend_word(texts, code, status),
    }


@dataclass(frozen=True, slots=True)
class Examples:
    """Some of the rows behind a safeguard, and how many there are."""

    total: int
    rows: list[Row]


def report_examples(report: Report, reader: Reader, texts: Texts) -> list[tuple[str, Examples]]:
    """Give, for each safeguard that a plan waits for, its name and ten of the rows behind it; nothing when the plan is not there."""
    return [
        (
            texts.say(Sentence("approval.examples", what=Sentence(f"safeguard.{code}.name"))),
            Examples(total, reader.planned(report.run.environment, rows)),
        )
        for code, total, rows in report.examples
    ]
