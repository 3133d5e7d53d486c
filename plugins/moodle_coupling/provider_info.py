"""What Airflow is told of this distribution: the connection types and the config options. Imports nothing.

Airflow loads this module for every command; if it failed to import, every ``airflow`` command would crash.
"""

from __future__ import annotations

_OPTION_URL = "file:///var/lib/airflow/moodle_coupling/staging"


def _field(label: str, description: str, **schema: object) -> dict[str, object]:
    return {"label": label, "description": description, "schema": schema}


def _number(label: str, description: str, default: int, bounds: tuple[int, int]) -> dict[str, object]:
    minimum, maximum = bounds
    return _field(label, description, type=["integer", "null"], default=default, minimum=minimum, maximum=maximum)


def _largest_answer(whose: str) -> dict[str, object]:
    return _number(
        "Largest answer (MB)",
        f"Decompressed megabytes of one answer. {whose}'s own are a few at the most; what is larger is not kept in memory.",
        64,
        (1, 2048),
    )


def _text(label: str, description: str, **schema: object) -> dict[str, object]:
    return _field(label, description, type=["string", "null"], **schema)


def _switch(label: str, description: str, *, default: bool) -> dict[str, object]:
    return _field(label, description, type=["boolean", "null"], default=default)


def _choice(label: str, description: str, values: list[str]) -> dict[str, object]:
    """Give a drop-down; the first value is the default."""
    return _field(label, description, type="string", enum=values, default=values[0])


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
            "Requests to this Moodle at the same time, at most. A load begins with 2 and takes more only while the site "
            "answers as quickly, fewer when it errs or slows down. 1 never has two at a time.",
            4,
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
            "Seconds to wait for an answer, to its last byte. A call that is cut off here may still be carried out by "
            "Moodle.",
            120,
            (5, 3600),
        ),
        "max_answer_mb": _largest_answer("Moodle"),
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


def _coachview_fields() -> dict[str, object]:
    """Give the advanced fields; names, defaults and bounds are those of hooks.coachview_connection.CoachviewSettings."""
    return {**_coachview_reading(), **_coachview_unknowns(), **_coachview_wire()}


def _coachview_reading() -> dict[str, object]:
    return {
        "scopes": _text(
            "Scopes",
            "What the token is asked for, separated by spaces; the API client in Coachview must have them.",
            default="api Personen.Lezen Persoonscategorieen.Lezen",
        ),
        "page_size": _number(
            "Page size",
            "Rows per request (take). Coachview's own maximum is not known; 100 is what every client seen uses.",
            100,
            (10, 1000),
        ),
        "window_rows": _number(
            "Rows per window",
            "Rows that are read page by page before the window of change dates is made smaller. A page that answers 500 "
            "makes it smaller by itself.",
            5000,
            (100, 1_000_000),
        ),
        "parallel_requests": _number("Parallel requests", "Requests to Coachview at the same time.", 2, (1, 8)),
        "daily_budget": _number(
            "Daily budget",
            "Requests per 24 hours, Coachview's limit. Lower it where other programs use the same API client.",
            5000,
            (10, 10_000_000),
        ),
        "budget_reserve": _number(
            "Reserve",
            "Requests of the budget that runs leave alone, for connection checks and for what people ask by hand.",
            250,
            (0, 1_000_000),
        ),
        "full_read": _choice(
            "Reading everyone",
            "windows: by change date, which spares Coachview high skips. pages: by skip and take alone, for a Coachview "
            "where persons without a change date exist.",
            ["windows", "pages"],
        ),
        "first_day": _text(
            "First change date",
            "Day (yyyy-mm-dd) from which change dates are cut into windows; all that is older is one window.",
            default="2010-01-01",
            pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$|^$",
        ),
    }


def _coachview_unknowns() -> dict[str, object]:
    return {
        "person_id_key": _text(
            "Person-id key",
            "Key of a person's row that is the person id. Accounts are joined by it, so do not change it afterwards.",
            default="id",
            pattern="^[A-Za-z][A-Za-z0-9]*([.][A-Za-z][A-Za-z0-9]*)*$|^$",
        ),
        "free_fields": _choice(
            "Shape of free fields",
            "How free fields stand on a row: the connection check says what it saw. auto takes each of them.",
            ["auto", "object", "list", "top_level"],
        ),
        "public_free_fields": _text(
            "Free fields known not to be confidential",
            "Codes such as VrijveldAfdeling, separated by spaces; only needed where Coachview's answers do not tell.",
        ),
        "categories_via": _choice(
            "Categories of persons",
            "per_person: one request for each person, the only way known to work. batched: many persons in one request, "
            "if your Coachview does that. off: none.",
            ["per_person", "batched", "off"],
        ),
    }


def _coachview_wire() -> dict[str, object]:
    return {
        "connect_timeout": _number("Connect time-out (s)", "Seconds to wait for a connection.", 10, (1, 120)),
        "read_timeout": _number(
            "Read time-out (s)", "Seconds to wait for an answer, to its last byte.", 120, (5, 3600)
        ),
        "max_answer_mb": _largest_answer("Coachview"),
        "verify_tls": _switch(
            "Verify TLS certificate",
            "Switch off only for a test: without it anyone in between can read the client secret.",
            default=True,
        ),
        "ca_file": _text("CA file", "Path of a PEM file on the workers with the certificate authority to trust."),
        "proxy": _text(
            "Proxy",
            "Proxy for Coachview only, for instance http://proxy.example.org:3128. Empty: the environment's.",
            format="password",
        ),
        "allow_http": _switch(
            "Allow plain http on this machine",
            "For the sandbox on 127.0.0.1 or localhost; any other address needs https whatever is set here.",
            default=False,
        ),
    }


def _coachview_type() -> dict[str, object]:
    return {
        "connection-type": "coachview",
        "hook-class-name": "moodle_coupling.orchestration.coachview_hook.SharedCoachviewHook",
        "hook-name": "Coachview",
        "ui-field-behaviour": {
            "hidden-fields": ["schema", "port", "extra"],
            "relabeling": {"host": "Coachview URL", "login": "Client id", "password": "Client secret"},
            "placeholders": {
                "host": "https://secure.coachview.net (or https://training.coachview.net)",
                "login": "The API client's id in Coachview",
                "password": "The API client's secret",
            },
        },
        "conn-fields": _coachview_fields(),
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


def _file_options() -> dict[str, object]:
    """Give the limits on files of persons: a file beyond them is refused before it takes a worker's memory."""

    def limit(description: str, example: str, default: str) -> dict[str, object]:
        return _option(description, example, default=default, type_="integer")

    return {
        "file_megabytes": limit("Megabytes that a file of persons may have.", "1024", "256"),
        "file_unpacked_megabytes": limit(
            "Megabytes that an XLSX or Parquet file of persons may unpack to, whatever it says of itself.",
            "4096",
            "1024",
        ),
        "file_rows": limit(
            "Rows that a file of persons may have; 1048576 is all that Excel has.", "5000000", "1048576"
        ),
        "file_columns": limit("Columns that a file of persons may have; 16384 is all that Excel has.", "500", "16384"),
        "file_cell_characters": limit(
            "Characters that a cell of a file may have; a record with a longer one is left out, with its reason.",
            "32767",
            "131072",
        ),
    }


def _config() -> dict[str, object]:
    return {
        "moodle_coupling": {
            "description": "Where the Moodle coupling keeps its files, how it waits, and what its pages show.",
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
                "viewers_see": _option(
                    "What those who may read and not decide see of persons on the Moodle pages: 'names' (all), 'numbers' "
                    "(ids, verdicts and counts; names and addresses as dots) or 'nothing' (no page at all).",
                    "names",
                    default="numbers",
                ),
                "language": _option(
                    "Language of what is written without knowing who reads it: mails, a run's summary, the question of an "
                    "approval, what commands say. A code of words/locale, such as 'en' or 'nl'; the Moodle pages follow each reader's own.",
                    "nl",
                    default="en",
                ),
                "notifiers": _option(
                    "Notifiers of Airflow that are told when a person is needed, beside the mail of a mapping's 'notify': a JSON list "
                    "of objects with 'notifier' (the path of its class), 'with' (its arguments; templates know moodle.subject, "
                    "moodle.text, moodle.html, moodle.link, moodle.event and moodle.environment), and where not all are meant "
                    "'events' and 'environments'.",
                    '[{"notifier": "airflow.providers.slack.notifications.slack_webhook.SlackWebhookNotifier", '
                    '"with": {"slack_webhook_conn_id": "slack", "text": "{{ moodle.subject }}: {{ moodle.link }}"}}]',
                ),
                "pause_look_seconds": _option(
                    "Seconds after which a load that was paused half-way looks whether it may go on.",
                    "300",
                    default="60",
                    type_="integer",
                ),
                **_file_options(),
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
        "connection-types": [_connection_type(), _coachview_type()],
        "asset-uris": [
            {
                "schemes": ["moodle"],
                "handler": None,  # an address needs nothing but what Airflow does to each
                "to_openlineage_converter": "moodle_coupling.orchestration.lineage.dataset_of",
            }
        ],
        "cli": ["moodle_coupling.orchestration.airflow_cli.get_commands"],
        "config": _config(),
    }
