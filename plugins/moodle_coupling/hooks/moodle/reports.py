"""Custom reports as Moodle's web service gives them."""

from __future__ import annotations

from typing import Any, Final

from moodle_coupling.errors import NotAMoodle
from moodle_coupling.hooks.moodle.accounts import number
from moodle_coupling.hooks.moodle.types import Report, ReportPage

LIST_REPORTS: Final = "core_reportbuilder_list_reports"
RETRIEVE_REPORT: Final = "core_reportbuilder_retrieve_report"


def reports_in(answer: object) -> list[Report]:
    """Read a list of reports; raises NotAMoodle when it is no such list."""
    try:
        return [
            Report(number(item["id"]), str(item["name"] or ""), str(item.get("source") or ""))
            for item in _part(answer, "reports")
        ]
    except (LookupError, TypeError, ValueError):
        raise NotAMoodle(f"{LIST_REPORTS}: the answer is no list of reports.", function=LIST_REPORTS) from None


def page_in(answer: object) -> ReportPage:
    """Read one page of a report; raises NotAMoodle when it is no such page."""
    try:
        data = _part(answer, "data")
        return ReportPage(
            headers=tuple(str(header) for header in data["headers"]),
            rows=tuple(tuple(_text(value) for value in row["columns"]) for row in data["rows"]),
            total=number(data["totalrowcount"]),
        )
    except (LookupError, TypeError, ValueError):
        raise NotAMoodle(f"{RETRIEVE_REPORT}: the answer is no page of a report.", function=RETRIEVE_REPORT) from None


def _part(answer: object, key: str) -> Any:
    if not isinstance(answer, dict):
        msg = "no mapping"
        raise TypeError(msg)
    return answer[key]


def _text(value: object) -> str:
    return "" if value is None else str(value)
