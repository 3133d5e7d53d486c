"""What Airflow is told of this distribution: the connection type and the config options. Imports nothing.

Airflow loads this module for every command; if it failed to import, every ``airflow`` command would crash.
"""

from __future__ import annotations

_OPTION_URL = "file:///var/lib/airflow/moodle_coupling/staging"


def _field(label: str, description: str, **schema: object) -> dict[str, object]:
    return {"label": label, "description": description, "schema": schema}


def _number(label: str, description: str, default: int, bounds: tuple[int, int]) -> dict[str, object]:
    minimum, maximum = bounds
    return _field(label, description, type=["integer", "null"], default=default, minimum=minimum, maximum=maximum)


def _text(label: str, description: str, **schema: object) -> dict[str, object]:
    return _field(label, description, type=["string", "null"], **schema)


def _switch(label: str, description: str, *, default: bool) -> dict[str, object]:
    return _field(label, description, type=["boolean", "null"], default=default)


def _connection_fields() -> dict[str, object]:
    """Give the advanced fields; names, defaults and bounds are those of hooks.moodle_connection.MoodleSettings."""
    return {
        "batch_size": _number(
            "Batch size",
            "Accounts per create or update call. 50 to 100 is fastest; a batch that does not fit max_input_vars is "
            "made smaller by itself.",
            50,
            (1, 1000),
        ),
        "parallel_requests": _number(
            "Parallel requests",
            "Connections to this Moodle at the same time. 2 was fastest on a server with 2 cores; more only helps "
            "larger servers.",
            2,
            (1, 16),
        ),
        "max_input_vars": _number(
            "PHP max_input_vars of the site",
            "PHP silently drops form variables beyond this number. 1000 is PHP's own default and always safe; Moodle "
            "asks for 5000. The connection check measures what the site really takes.",
            1000,
            (100, 100_000),
        ),
        "connect_timeout": _number("Connect time-out (s)", "Seconds to wait for a connection.", 10, (1, 120)),
        "read_timeout": _number(
            "Read time-out (s)",
            "Seconds to wait for an answer. A call that is cut off here may still be carried out by Moodle.",
            120,
            (5, 3600),
        ),
        "verify_tls": _switch(
            "Verify TLS certificate",
            "Switch off only for a test site: without it anyone in between can read the token.",
            default=True,
        ),
        "ca_file": _text("CA file", "Path of a PEM file on the workers with the certificate authority to trust."),
        "proxy": _text(
            "Proxy",
            "Proxy for this Moodle only, for instance http://proxy.example.org:3128. Empty: the environment's.",
            format="password",
        ),
        "allow_http": _switch(
            "Allow plain http",
            "Without TLS the token and all personal data travel readable. Loopback addresses need no permission.",
            default=False,
        ),
        "default_auth": _text(
            "Default authentication plugin",
            "For new accounts where the mapping file names none: manual, oidc, oauth2, ldap, saml2 … It must be "
            "installed on the site.",
            pattern="^[a-z][a-z0-9_]*$|^$",
        ),
        "default_lang": _text(
            "Default language",
            "For new accounts where the mapping file names none: a language pack of the site, such as nl or en.",
            pattern="^[a-z][a-z0-9_]*$|^$",
        ),
        "default_country": _text(
            "Default country",
            "For new accounts where the mapping file names none: two capitals, such as NL. Moodle silently drops "
            "anything else.",
            pattern="^[A-Z]{2}$|^$",
        ),
    }


def _connection_type() -> dict[str, object]:
    return {
        "connection-type": "moodle",
        "hook-class-name": "moodle_coupling.hooks.moodle.MoodleHook",
        "hook-name": "Moodle",
        "ui-field-behaviour": {
            "hidden-fields": ["login", "schema", "port", "extra"],
            "relabeling": {"host": "Moodle URL", "password": "Web service token"},
            "placeholders": {
                "host": "https://moodle.example.org",
                "password": "Site administration > Server > Web services > Manage tokens",
            },
        },
        "conn-fields": _connection_fields(),
    }


def _option(
    description: str, example: str, *, default: str = "", type_: str = "string", sensitive: bool = False
) -> dict[str, object]:
    return {
        "description": description,
        "version_added": "0.1.0",
        "type": type_,
        "example": example,
        "default": default,
        "sensitive": sensitive,
    }


def _config() -> dict[str, object]:
    return {
        "moodle_coupling": {
            "description": "Where the Moodle coupling keeps its files, and how it waits.",
            "options": {
                "staging_url": _option(
                    "Folder for the frames that the steps of a run hand to each other, as an ObjectStoragePath. Where "
                    "workers do not share a disk it must be object storage (s3, gs, abfs). Empty means "
                    "file://{AIRFLOW_HOME}/moodle_coupling/staging.",
                    _OPTION_URL,
                ),
                "mappings_folder": _option(
                    "Folder with one mapping file per environment. Empty means include/mappings beside the dags folder.",
                    "/opt/airflow/include/mappings",
                ),
                "ledger_url": _option(
                    "Address of the ledger, the database that remembers links, runs, outcomes and decisions: "
                    "sqlite:////absolute/path or postgresql://user:password@host/db. Empty means "
                    "sqlite:///{AIRFLOW_HOME}/moodle_coupling/ledger.db.",
                    "postgresql://coupling:…@db.example.org/coupling",
                    sensitive=True,
                ),
                "ledger_days": _option(
                    "Days that outcomes are kept in the ledger; links, open mismatches and decisions in force stay.",
                    "365",
                    default="730",
                    type_="integer",
                ),
                "staging_days": _option(
                    "Days that the frames of a run are kept; they hold names and addresses. Older runs are removed at the "
                    "end of each run of the same environment.",
                    "30",
                    default="14",
                    type_="integer",
                ),
                "pause_look_seconds": _option(
                    "Seconds after which a load that was paused half-way looks whether it may go on.",
                    "300",
                    default="60",
                    type_="integer",
                ),
            },
        }
    }


def get_provider_info() -> dict[str, object]:
    """Give the provider's description as Airflow's provider_info.schema.json wants it."""
    return {
        "package-name": "airflow-moodle-coupling",
        "name": "Moodle coupling",
        "description": "Brings people from a training administration into Moodle.",
        "versions": ["0.1.0"],
        "connection-types": [_connection_type()],
        "cli": ["moodle_coupling.orchestration.airflow_cli.get_commands"],
        "config": _config(),
    }
