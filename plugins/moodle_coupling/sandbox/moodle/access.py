"""The site's cohorts, courses, enrolments and groups, in the same database as its accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.moodle.database import collation_key, equality_key, like

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.database import Database
    from moodle_coupling.sandbox.moodle.site import SiteSettings

MANUAL_STATES = ("on", "off", "none")
"""Manual enrolment of a course: there, there and switched off, or not there."""
SYSTEM = 0
"""The category of a cohort that is in no course category but in the system context."""
FRONT_PAGE = 1
"""The id of the course that is the site's front page."""
_COLUMNS = {
    "cohort": ("id", "name", "idnumber", "description", "visible", "categoryid"),
    "course": ("id", "shortname", "fullname", "idnumber", "categoryid", "visible", "manual", "enablecompletion"),
    "course_group": ("id", "courseid", "name", "idnumber", "description"),
}
# Columns that look-ups and uniqueness are by, compared as the site's database does.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS category (id INTEGER PRIMARY KEY, name TEXT NOT NULL, idnumber TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS cohort (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, idnumber TEXT NOT NULL DEFAULT '', description TEXT NOT NULL DEFAULT '',
    visible INTEGER NOT NULL DEFAULT 1, categoryid INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS cohort_member (
    cohortid INTEGER NOT NULL, userid INTEGER NOT NULL, PRIMARY KEY (cohortid, userid)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS course (
    id INTEGER PRIMARY KEY, shortname TEXT NOT NULL, fullname TEXT NOT NULL, idnumber TEXT NOT NULL DEFAULT '',
    categoryid INTEGER NOT NULL DEFAULT 1, visible INTEGER NOT NULL DEFAULT 1, manual TEXT NOT NULL DEFAULT 'on',
    enablecompletion INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE IF NOT EXISTS enrolment (
    courseid INTEGER NOT NULL, userid INTEGER NOT NULL, status INTEGER NOT NULL, timestart INTEGER NOT NULL,
    timeend INTEGER NOT NULL, PRIMARY KEY (courseid, userid)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS enrolment_of_user ON enrolment (userid);
CREATE TABLE IF NOT EXISTS role_assignment (
    courseid INTEGER NOT NULL, userid INTEGER NOT NULL, roleid INTEGER NOT NULL, PRIMARY KEY (courseid, userid, roleid)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS course_group (
    id INTEGER PRIMARY KEY, courseid INTEGER NOT NULL, name TEXT NOT NULL, idnumber TEXT NOT NULL DEFAULT '',
    description TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS group_member (
    groupid INTEGER NOT NULL, userid INTEGER NOT NULL, PRIMARY KEY (groupid, userid)
) WITHOUT ROWID;
INSERT OR IGNORE INTO category (id, name) VALUES (1, 'Category 1');
"""
_OF_A_USER = ("cohort_member", "enrolment", "role_assignment", "group_member")


class AccessTables:
    """Who may go where on the site. Every method may be called from any thread; writes belong in a transaction."""

    def __init__(self, database: Database, site: SiteSettings) -> None:
        self._site = site
        self.transaction = database.transaction
        self._lock, self._connection = database.lock, database.connection
        with self._lock:
            self._connection.executescript(_SCHEMA)

    # ---- cohorts ------------------------------------------------------------------------------------------------------

    def cohorts(self) -> list[dict[str, Any]]:
        """Return every cohort, by id."""
        return self._all("cohort")

    def cohort(self, field: str, value: Any) -> dict[str, Any] | None:
        """Return the cohort with that id or idnumber."""
        return self._one("cohort", field, value)

    def search_cohorts(self, query: str) -> list[dict[str, Any]]:
        """Return the cohorts with the query in name, idnumber or description, by name."""
        pattern = f"%{query}%"
        found = [c for c in self.cohorts() if any(like(c[n], pattern) for n in ("name", "idnumber", "description"))]
        return sorted(found, key=lambda cohort: (collation_key(cohort["name"]), cohort["id"]))

    def add_cohort(self, values: dict[str, Any]) -> int:
        """Add a cohort and return its id."""
        return self._insert("cohort", values)

    def remove_cohort(self, cohortid: int) -> None:
        """Take a cohort away with its members."""
        self._write("DELETE FROM cohort_member WHERE cohortid = ?", cohortid)
        self._write("DELETE FROM cohort WHERE id = ?", cohortid)

    def members(self, cohortid: int) -> list[int]:
        """Return the ids of who is in a cohort, by last and first name."""
        return self._ids(
            "SELECT user.id FROM cohort_member JOIN user ON user.id = userid WHERE cohortid = ? "
            "ORDER BY lastname, firstname, user.id",
            cohortid,
        )

    def is_member(self, cohortid: int, userid: int) -> bool:
        """Return whether somebody is in a cohort."""
        return bool(self._ids("SELECT userid FROM cohort_member WHERE cohortid = ? AND userid = ?", cohortid, userid))

    def add_member(self, cohortid: int, userid: int) -> None:
        """Put somebody in a cohort, if not in it."""
        self._write("INSERT OR IGNORE INTO cohort_member VALUES (?, ?)", cohortid, userid)

    def remove_member(self, cohortid: int, userid: int) -> None:
        """Take somebody out of a cohort, if in it."""
        self._write("DELETE FROM cohort_member WHERE cohortid = ? AND userid = ?", cohortid, userid)

    # ---- courses ------------------------------------------------------------------------------------------------------

    def category(self, name: str) -> int:
        """Return the id of the course category of that name, made where there is none."""
        with self._lock:
            row = self._connection.execute("SELECT id FROM category WHERE name = ?", (name,)).fetchone()
            if row is None:
                row = [self._connection.execute("INSERT INTO category (name) VALUES (?)", (name,)).lastrowid]
            return int(row[0])

    def category_name(self, categoryid: int) -> str:
        """Return the name of a course category."""
        with self._lock:
            return str(self._connection.execute("SELECT name FROM category WHERE id = ?", (categoryid,)).fetchone()[0])

    def category_by(self, field: str, value: Any) -> int | None:
        """Return the id of the category with that id or idnumber."""
        with self._lock:
            found = self._connection.execute(f"SELECT id FROM category WHERE {field} = ?", (value,)).fetchone()  # noqa: S608
            return int(found[0]) if found else None

    def courses(self) -> list[dict[str, Any]]:
        """Return every course, by id; the front page is none of them."""
        return self._all("course")

    def course(self, field: str, value: Any) -> dict[str, Any] | None:
        """Return the course with that id, shortname or idnumber."""
        return self._one("course", field, value)

    def add_course(self, values: dict[str, Any]) -> int:
        """Add a course and return its id, 2 for the first: 1 is the front page."""
        with self._lock:
            last = self._connection.execute("SELECT COALESCE(MAX(id), 1) FROM course").fetchone()[0]
            return self._insert("course", {"id": last + 1, **values})

    # ---- enrolments ---------------------------------------------------------------------------------------------------

    def enrolments(self, courseid: int) -> list[dict[str, int]]:
        """Return the manual enrolments in a course, by user, with the number of roles."""
        return self._dicts(
            "SELECT userid, status, timestart, timeend, (SELECT COUNT(*) FROM role_assignment r "
            "WHERE r.courseid = e.courseid AND r.userid = e.userid) AS roles FROM enrolment e WHERE courseid = ? "
            "ORDER BY userid",
            courseid,
        )

    def is_enrolled(self, courseid: int, userid: int) -> bool:
        """Return whether somebody is enrolled in a course, active or not."""
        return bool(self._ids("SELECT userid FROM enrolment WHERE courseid = ? AND userid = ?", courseid, userid))

    def active_courses(self, userid: int, now: int) -> list[dict[str, Any]]:
        """Return the visible courses in which somebody's enrolment counts at that moment, the newest first."""
        return self._dicts(
            "SELECT course.id, fullname, shortname FROM enrolment e JOIN course ON course.id = courseid "
            "WHERE userid = ? AND visible = 1 AND status = 0 AND timestart <= ? AND (timeend = 0 OR timeend > ?) "
            "ORDER BY course.id DESC",
            userid, now, now,
        )  # fmt: skip

    def enrol(
        self, courseid: int, userid: int, roleid: int, status: int = 0, timestart: int = 0, timeend: int = 0
    ) -> None:
        """Enrol somebody, over what was there; a role held besides stays."""
        self._write(
            "INSERT OR REPLACE INTO enrolment (courseid, userid, status, timestart, timeend) VALUES (?, ?, ?, ?, ?)",
            courseid, userid, status, timestart, timeend,
        )  # fmt: skip
        self._write("INSERT OR IGNORE INTO role_assignment VALUES (?, ?, ?)", courseid, userid, roleid)

    def unenrol(self, courseid: int, userid: int) -> None:
        """End somebody's enrolment, with its roles and groups, if there is one."""
        for table in ("enrolment", "role_assignment"):
            self._write(f"DELETE FROM {table} WHERE courseid = ? AND userid = ?", courseid, userid)  # noqa: S608
        self._write(
            "DELETE FROM group_member WHERE userid = ? AND groupid IN (SELECT id FROM course_group WHERE courseid = ?)",
            userid, courseid,
        )  # fmt: skip

    def roles(self, courseid: int, userid: int) -> list[int]:
        """Return the ids of the roles somebody holds in a course."""
        return self._ids("SELECT roleid FROM role_assignment WHERE courseid = ? AND userid = ?", courseid, userid)

    # ---- groups -------------------------------------------------------------------------------------------------------

    def groups(self, courseid: int) -> list[dict[str, Any]]:
        """Return the groups of a course, by name."""
        found = [group for group in self._all("course_group") if group["courseid"] == courseid]
        return sorted(found, key=lambda group: (collation_key(group["name"]), group["id"]))

    def group(self, groupid: int) -> dict[str, Any] | None:
        """Return the group with that id."""
        return self._one("course_group", "id", groupid)

    def add_group(self, values: dict[str, Any]) -> int:
        """Add a group and return its id."""
        return self._insert("course_group", values)

    def group_members(self, groupid: int) -> list[int]:
        """Return the ids of who is in a group."""
        return self._ids("SELECT userid FROM group_member WHERE groupid = ? ORDER BY userid", groupid)

    def add_group_member(self, groupid: int, userid: int) -> None:
        """Put somebody in a group, if not in it."""
        self._write("INSERT OR IGNORE INTO group_member VALUES (?, ?)", groupid, userid)

    def remove_group_member(self, groupid: int, userid: int) -> None:
        """Take somebody out of a group, if in it."""
        self._write("DELETE FROM group_member WHERE groupid = ? AND userid = ?", groupid, userid)

    # ---- all of it ----------------------------------------------------------------------------------------------------

    def forget(self, userid: int) -> None:
        """Take somebody out of everything, as deleting an account does."""
        for table in _OF_A_USER:
            self._write(f"DELETE FROM {table} WHERE userid = ?", userid)  # noqa: S608

    def change(self, table: str, rowid: int, **values: Any) -> None:
        """Change columns of a cohort or course, as somebody does by hand."""
        names = ", ".join(f"{name} = ?" for name in values if name in _COLUMNS[table])
        self._write(f"UPDATE {table} SET {names} WHERE id = ?", *values.values(), rowid)  # noqa: S608

    def as_json(self) -> dict[str, Any]:
        """Return the cohorts with their members, and the courses with their enrolments, as JSON can hold them."""
        return {
            "cohorts": [{**cohort, "members": self.members(cohort["id"])} for cohort in self.cohorts()],
            "courses": [
                {
                    **course,
                    "enrolments": [
                        {**one, "roles": self.roles(course["id"], one["userid"])}
                        for one in self.enrolments(course["id"])
                    ],
                }
                for course in self.courses()
            ],
        }

    def same(self, one: str, other: str) -> bool:
        """Return whether two texts are equal to the site's database."""
        return equality_key(one, self._site.database) == equality_key(other, self._site.database)

    def _one(self, table: str, field: str, value: Any) -> dict[str, Any] | None:
        """Return the first row with a value; an empty text is nobody's."""
        if field == "id":
            rows = self._all(table, int(value)) if str(value).isdecimal() else []
            return rows[0] if rows else None
        if value == "":
            return None
        return next((row for row in self._all(table) if self.same(row[field], str(value))), None)

    def _all(self, table: str, rowid: int | None = None) -> list[dict[str, Any]]:
        where, values = ("", ()) if rowid is None else (" WHERE id = ?", (rowid,))
        return self._dicts(f"SELECT {', '.join(_COLUMNS[table])} FROM {table}{where} ORDER BY id", *values)  # noqa: S608

    def _dicts(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(row) for row in self._connection.execute(statement, values)]

    def _ids(self, statement: str, *values: Any) -> list[int]:
        with self._lock:
            return [int(row[0]) for row in self._connection.execute(statement, values)]

    def _write(self, statement: str, *values: Any) -> None:
        with self._lock:
            self._connection.execute(statement, values)

    def _insert(self, table: str, values: dict[str, Any]) -> int:
        marks = ", ".join("?" * len(values))
        with self._lock:
            statement = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})"  # noqa: S608
            return int(self._connection.execute(statement, tuple(values.values())).lastrowid or 0)
