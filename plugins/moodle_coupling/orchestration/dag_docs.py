"""What Airflow shows as the documentation of the DAGs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moodle_coupling.contract.markdown import code, plain
from moodle_coupling.orchestration.names import provision_id

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.mapping import Mapping


def provision_doc(mapping: Mapping, path: Path) -> str:
    """Say what the provision DAG does, as Markdown."""
    return f"""\
# Provision {plain(mapping.title or mapping.environment)}

Brings the persons of the source into the Moodle environment **{mapping.environment}**
(Airflow connection {code(mapping.connection)}), as {code(path.name)} says.

```
extract ─▶ transform ─┐
check site ───────────┴▶ snapshot ─▶ match and plan ─▶ safeguards and approval ─▶ chunks ─▶ load ─▶ report ─▶ announce
```

* Nothing is written before **load**. Trigger with *Dry run* to see the plan only.
* A plan that looks like a mistake (an empty source, many suspensions, the first load ever …) waits for approval at
  **safeguards and approval**; approve or reject it there, or under Browse → Required Actions.
* To pause: set the variable {code(f"moodle_coupling_paused__{mapping.connection}")} to `true`. A load that is under way stops
  within one batch, and goes on by itself when the variable is set to `false` or removed.
* Re-running a finished run changes nothing: what Moodle already holds is not written again.
* A person who is rejected is named in the report with the reason and how to mend it; everyone else goes in.
"""


def reconcile_doc(mapping: Mapping, path: Path) -> str:
    """Say what the reconcile DAG does, as Markdown."""
    leavers = mapping.leavers
    what = f"suspended after {leavers.grace_days} days" if leavers.policy == "suspend" else f"{leavers.policy}ed"
    return f"""\
# Reconcile {plain(mapping.title or mapping.environment)}

Compares every person of the source with every account of the Moodle environment **{mapping.environment}**
(Airflow connection {code(mapping.connection)}), as {code(path.name)} says, and puts right what differs.

* What was changed by hand in Moodle is found: repaired where the mapping writes the field always, reported elsewhere.
* Accounts whose person has left are **{what}** (`leavers` in the mapping file): only accounts that this coupling made or
  linked, never protected ones. Who returns is reactivated.
* What a human must judge waits under **Moodle → Mismatches**; decisions taken there are carried out by the next run, of this
  DAG or of `{provision_id(mapping.environment)}`.
* It has the same safeguards, the same pause and the same pool as `{provision_id(mapping.environment)}`, and waits for it.
"""
