"""Which role is the least that each route takes, and what to call it with. Add a line for each route.

``needs`` is 'viewer' (reads), 'user' (decides, runs) or 'op' (pauses, checks). ``path`` is what to call, when the route has
parameters that filling.py does not know by the same name ({env}, {run}, {mismatch} …) or wants a query; it may hold those
names too. ``form`` is what the page sends. Every route is called as nobody and as each role: 401, then 403 (or 404) below
``needs``, and anything but 401, 403, 422 and 500 from there on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Rule:
    needs: str
    path: str = ""
    form: dict[str, Any] = field(default_factory=dict)


RIGHTS: dict[str, Rule] = {
    "GET /": Rule("viewer"),
    "GET /cards": Rule("viewer"),
    "GET /environments/{env}": Rule("viewer"),
    "GET /environments/{env}/trends": Rule("viewer"),
    "POST /environments/{env}/pause": Rule("op", form={"reason": "because"}),
    "POST /environments/{env}/resume": Rule("op"),
    "POST /environments/{env}/test": Rule("op"),
    "POST /environments/{env}/lift": Rule("op"),
    "POST /environments/{env}/dry-run": Rule("user"),
    "POST /environments/{env}/reconcile": Rule("user"),
    "GET /mismatches": Rule("viewer"),
    "POST /mismatches/filter": Rule("viewer", form={"text": "jansen", "status": "all"}),
    "POST /mismatches/view": Rule("viewer", form={"view": "compact"}),
    "POST /mismatches/keys": Rule("viewer", form={"keys": "off"}),
    "POST /mismatches/export.csv": Rule("viewer"),
    "POST /mismatches/export.xlsx": Rule("viewer"),
    "GET /mismatches/sheet": Rule("viewer"),
    "POST /mismatches/sheet": Rule("user"),
    "POST /mismatches/sheet/record": Rule("user"),
    "GET /mismatches/started": Rule("viewer", path="/mismatches/started?environment={env}&run=manual__1"),
    "GET /mismatches/{mismatch}": Rule("viewer"),
    "POST /mismatches/{mismatch}/decide": Rule("user", form={"version": "1", "choice": "later:"}),
    "POST /mismatches/{mismatch}/withdraw": Rule("user", form={"version": "1"}),
    "POST /mismatches/{mismatch}/assign": Rule("user", form={"to": "anna", "until": "2026-03-31"}),
    "POST /mismatches/{mismatch}/accounts": Rule("user", form={"text": "jansen"}),
    "POST /mismatches/{mismatch}/link": Rule("user", form={"version": "1", "account": "77", "seen": "x"}),
    "POST /mismatches/{mismatch}/unprotect": Rule("user", form={"account": "77"}),
    "POST /mismatches/decide": Rule("user", form={"scope": "all"}),
    "POST /mismatches/withdraw": Rule("user", form={"rows": "1:1"}),
    "POST /mismatches/assign": Rule("user", form={"scope": "all", "to": "anna"}),
    "POST /mismatches/apply/preview": Rule("user", form={"scope": "all"}),
    "POST /mismatches/apply": Rule("user", form={"scope": "all"}),
    "GET /runs": Rule("viewer"),
    "GET /runs/of": Rule("viewer", path="/runs/of?dag_id=moodle_reconcile__{env}&run_id=manual__1"),
    "GET /runs/{run}": Rule("viewer"),
    "GET /runs/{run}/live": Rule("viewer"),
    "POST /runs/{run}/filter": Rule("viewer", form={"text": "jansen", "status": "done"}),
    "POST /runs/{run}/export.csv": Rule("viewer"),
    "POST /runs/{run}/export.xlsx": Rule("viewer"),
    "GET /people": Rule("viewer"),
    "POST /people": Rule("viewer", form={"text": "jansen"}),
    "GET /people/{env}/{who}": Rule("viewer", path="/people/{env}/m{mismatch}"),
    "POST /people/{env}/{who}/explain": Rule("user", path="/people/{env}/m{mismatch}/explain"),
    "POST /people/{env}/{who}/provision": Rule("user", path="/people/{env}/m{mismatch}/provision"),
    "POST /language": Rule("viewer", form={"lang": "nl"}),
}
