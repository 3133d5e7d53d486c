"""Who may do what: our rights, in the permissions of Airflow's auth manager.

A page declares ``access: AccessDep`` and asks::

    access.require(Right.DECIDE, environment)     # 404 for an environment one may not read, 403 without the right
    access.environments()                          # the environments this user may read
    access.sees_names(environment)                 # whether names and addresses may be shown; else mask() them
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Depends, HTTPException, Request
from starlette.concurrency import run_in_threadpool

from moodle_coupling.airflow_internals import (
    auth_manager,
    dag_model,
    logged_in_user,
    multi_team,
    resource_details,
    variable_model,
)
from moodle_coupling.hooks.pause import variable_name
from moodle_coupling.orchestration import names
from moodle_coupling.settings import ViewersSee, viewers_see
from moodle_coupling.web.base import couplings
from moodle_coupling.web.base.words import say

if TYPE_CHECKING:
    from collections.abc import Callable

MASK: Final = "••••"
"""Stands where a name or an address is that the user may not see."""
_KEY: Final = "moodle_coupling.access"
_DETAILS: Final = resource_details()


class Right(StrEnum):
    """What one may do with an environment."""

    READ = "read"
    DECIDE = "decide"
    RUN = "run"
    OPERATE = "operate"


FORBIDDEN: Final = {
    Right.READ: say(
        "You may not see this page. Who may is set in Airflow; see docs/web.md, or ask your administrator."
    ),
    Right.DECIDE: say("You may look, but not decide. Ask your administrator for the right to edit Dags."),
    Right.RUN: say("You may look, but not start runs. Ask your administrator for the right to trigger Dags."),
    Right.OPERATE: say(
        "You may look, but not pause, resume or check. Ask your administrator for the right to edit variables."
    ),
}


class Access:
    """What one user may do; made for one request, and each answer of the auth manager is asked for once."""

    def __init__(self, user: Any) -> None:
        self.user = user
        self.user_id = str(user.get_id())
        self.name = str(user.get_name() or self.user_id)
        self._manager = auth_manager()
        self._known: dict[tuple[Right, str], bool] = {}
        self._found: dict[str, couplings.Coupling] | None = None

    def may(self, right: Right, environment: str) -> bool:
        """Tell whether the user has a right on an environment that exists; every right takes that one may read."""
        key = (Right(right), environment)  # a template gives the bare word
        if key not in self._known:
            self._known[key] = environment in self._couplings and self._may(*key)
        return self._known[key]

    def require(self, right: Right, environment: str) -> None:
        """Raise 404 for an environment that the user may not read (or that is not there), 403 without the right."""
        if not self._reads(environment):
            raise HTTPException(404)
        if not self.may(right, environment):
            raise HTTPException(403, FORBIDDEN[right])

    def environments(self) -> list[str]:
        """Give the environments the user may read, by name."""
        return [name for name in self._couplings if self.may(Right.READ, name)]

    def coupling(self, environment: str, right: Right = Right.READ) -> couplings.Coupling:
        """Give an environment's coupling; raises as :meth:`require`."""
        self.require(right, environment)
        return self._couplings[environment]

    def sees_names(self, environment: str) -> bool:
        """Tell whether names, usernames and e-mail addresses of persons may be shown to the user."""
        return self.may(Right.DECIDE, environment) or (
            self.may(Right.READ, environment) and viewers_see() is ViewersSee.NAMES
        )

    def mask(self, environment: str) -> Callable[[str], str]:
        """Give what a name or an address goes through before it is shown; '' stays ''."""
        if self.sees_names(environment):
            return str
        return lambda text: MASK if text else ""

    @property
    def _couplings(self) -> dict[str, couplings.Coupling]:
        if self._found is None:
            self._found = couplings.by_name()
        return self._found

    def _may(self, right: Right, environment: str) -> bool:
        if not self._reads(environment):
            return False
        if right is Right.READ:
            more = (Right.DECIDE, Right.RUN, Right.OPERATE)
            return viewers_see() is not ViewersSee.NOTHING or any(self.may(other, environment) for other in more)
        return self._granted(right, environment)

    def _reads(self, environment: str) -> bool:
        key = (Right.READ, f"{environment}/dag")
        if key not in self._known:
            self._known[key] = environment in self._couplings and self._dag("GET", names.provision_id(environment))
        return self._known[key]

    def _granted(self, right: Right, environment: str) -> bool:
        dag_id = names.reconcile_id(environment)
        if right is Right.DECIDE:
            return self._dag("PUT", dag_id, _DETAILS.DagAccessEntity.HITL_DETAIL)
        if right is Right.RUN:
            return self._dag("POST", dag_id, _DETAILS.DagAccessEntity.RUN)
        connection = self._couplings[environment].connection
        return bool(connection) and self._variable("PUT", variable_name(connection), dag_id)

    def _variable(self, method: Any, key: str, dag_id: str) -> bool:
        details = _DETAILS.VariableDetails(key=key, team_name=_team_of_variable(key) or _team(dag_id))
        return bool(self._manager.is_authorized_variable(method=method, details=details, user=self.user))

    def _dag(self, method: Any, dag_id: str, entity: Any = None) -> bool:
        details = _DETAILS.DagDetails(id=dag_id, team_name=_team(dag_id))
        return bool(
            self._manager.is_authorized_dag(method=method, access_entity=entity, details=details, user=self.user)
        )


async def admitted(request: Request, user: Annotated[Any, Depends(logged_in_user())]) -> Access:
    """Give what the user may; raises 401 without login, 403 without the right to see plugins' pages."""
    access = Access(user)
    request.scope[_KEY] = access
    manager = auth_manager()
    if not await run_in_threadpool(manager.is_authorized_view, access_view=_DETAILS.AccessView.PLUGINS, user=user):
        raise HTTPException(403, FORBIDDEN[Right.READ])
    return access


AccessDep = Annotated[Access, Depends(admitted)]


def of_request(request: Request) -> Access | None:
    """Give who is there; None when nobody is logged in."""
    found: Access | None = request.scope.get(_KEY)
    return found


def _team_of_variable(key: str) -> str | None:
    # A pause variable that is not there yet, or belongs to nobody, counts as its DAG's team's.
    if not multi_team():
        return None
    team: str | None = variable_model().get_team_name(key)
    return team


def _team(dag_id: str) -> str | None:
    if not multi_team():
        return None
    team: str | None = dag_model().get_team_name(dag_id)
    return team
