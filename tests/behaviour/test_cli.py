"""The command line, as operators use it, and scripts that read exit codes and JSON."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from deltalake import DeltaTable

from offtake import __version__
from offtake.catalogue import BUILT_IN
from offtake.lake.tables import tables
from tests.fixtures.care import call
from tests.fixtures.commands import Done, command
from tests.fixtures.installation import Installation
from tests.fixtures.polling import wait_for
from tests.fixtures.talkdesk import TalkdeskWire

COMMANDS = (
    ("client", "get"),
    (),
    ("init",),
    ("seed",),
    ("load",),
    ("serve",),
    ("worker",),
    ("jobs",),
    ("jobs", "list"),
    ("jobs", "show"),
    ("jobs", "cancel"),
    ("jobs", "retry"),
    ("jobs", "hold"),
    ("jobs", "release"),
    ("state",),
    ("state", "move"),
    ("sweep",),
    ("tenant",),
    ("tenant", "add"),
    ("tenant", "list"),
    ("tenant", "show"),
    ("tenant", "set"),
    ("tenant", "remove"),
    ("erase",),
    ("credential",),
    ("credential", "add"),
    ("credential", "list"),
    ("credential", "revoke"),
    ("credential", "key"),
    ("credential", "key", "add"),
    ("credential", "key", "remove"),
    ("config",),
    ("config", "show"),
    ("report",),
    ("report", "list"),
    ("report", "test"),
)
MARCH = ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that ``offtake init`` created, with one tenant."""
    made = tmp_path_factory.mktemp("cli") / "home"
    assert command("init", home=made).code == 0
    assert command("tenant", "add", "acme", home=made).code == 0
    return made


@pytest.fixture
def settings(home: Path) -> Iterator[Path]:
    """The settings file, restored afterwards."""
    file = home / "offtake.toml"
    before = file.read_text()
    yield file
    file.write_text(before)


def result(done: Done) -> dict[str, Any]:
    """Parse the output of ``--json``: one JSON object on one line, and nothing else."""
    assert done.code == 0, done.err
    assert done.out.endswith("\n")
    assert done.out.count("\n") == 1
    printed: dict[str, Any] = json.loads(done.out)
    return printed


def refused(done: Done, code: int, *words: str) -> None:
    """Check for a message on standard error, an empty standard output and no traceback."""
    assert done.code == code, done.err
    assert done.out == ""
    assert "Traceback" not in done.err
    assert [word for word in words if word not in done.err] == [], done.err


@pytest.mark.parametrize("name", COMMANDS, ids=" ".join)
def test_every_command_has_help(name: tuple[str, ...], tmp_path: Path) -> None:
    done = command(*name, "--help", home=tmp_path / "nowhere")
    assert done.code == 0
    assert done.out.startswith("Usage: offtake " + " ".join(name))
    undescribed = [line for line in done.out.splitlines() if line.strip().startswith("--") and len(line.split()) < 3]
    assert undescribed == []
    assert not (tmp_path / "nowhere").exists()


def test_the_top_level_help_lists_every_command_and_every_exit_code(tmp_path: Path) -> None:
    text = " ".join(command("--help", home=tmp_path).out.split())
    assert [name[0] for name in COMMANDS if len(name) == 1 and f" {name[0]} " not in text] == []
    assert [code for code in range(11) if f"{code} " not in text.split("Exit codes:")[1]] == []


def test_the_top_level_help_is_laid_out_in_sections_and_lines(tmp_path: Path) -> None:
    lines = command("--help", home=tmp_path).out.splitlines()
    headings = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert headings == ["Options:", "Set up:", "Data:", "Run:", "Operate:", "Use a server:", "Exit codes:"]
    assert "      offtake serve" in lines
    assert [line for line in lines if line.startswith("  9    the lake or a file")]
    assert [line for line in lines[1:] if line.endswith("...")] == []


def test_the_version_is_printed(tmp_path: Path) -> None:
    assert command("--version", home=tmp_path).out == f"offtake {__version__}\n"


def test_the_program_can_be_started_by_its_name_and_as_a_module(tmp_path: Path) -> None:
    """Starts new processes; all other commands here are forks of a process that has imported the program."""
    script = Path(sys.executable).with_name("offtake")
    environment = {**os.environ, "OFFTAKE_HOME": str(tmp_path / "missing")}
    for start in ([str(script)], [sys.executable, "-m", "offtake"]):
        done = subprocess.run(
            [*start, "tenant", "add", "x"], capture_output=True, text=True, check=False, env=environment
        )
        refused(Done(done.returncode, done.stdout, done.stderr), 4, "offtake: ", "offtake init")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("no-such-command",),
        ("init", "--no-such-option"),
        ("tenant", "add"),
        ("tenant", "add", "Not A Name"),
        ("tenant", "add", "x", "--timezone", "Nowhere/Land"),
        ("credential", "add", "acme", "--kind", "nonsense"),
        ("credential", "add", "acme", "--kind", "basic"),
        ("credential", "add", "acme", "--kind", "oauth", "--scope", "everything"),
        ("seed", "--tenant", "acme", "--size", "enormous"),
        ("seed", "--tenant", "acme", "--days", "0"),
        ("load", "call"),
        ("serve", "--port", "eighty"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_exits_with_2(arguments: tuple[str, ...], home: Path) -> None:
    done = command(*arguments, home=home)
    assert done.code == 2
    assert "Usage: offtake" in done.err + done.out
    assert "Traceback" not in done.err


def test_a_second_init_changes_nothing(home: Path, settings: Path) -> None:
    settings.write_text("[log]\nlevel = 'warning'\n")
    key = home / "secrets" / "link.key"
    before = key.read_bytes()
    again = result(command("init", "--json", home=home))
    assert again == {"home": str(home), "created": False}
    assert key.read_bytes() == before
    assert settings.read_text() == "[log]\nlevel = 'warning'\n"
    refused(command("tenant", "add", "acme", home=home), 7)  # the tenant still exists


def test_init_creates_a_home_with_a_private_key(tmp_path: Path) -> None:
    made = result(command("init", "--json", "--home", "fresh", home=tmp_path / "other", cwd=tmp_path))
    assert made == {"home": str(tmp_path / "fresh"), "created": True}
    key = tmp_path / "fresh" / "secrets" / "link.key"
    assert key.stat().st_mode & 0o077 == 0
    assert key.parent.stat().st_mode & 0o077 == 0
    assert not (tmp_path / "other").exists()


def test_a_second_init_takes_access_from_other_users(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert command("init", home=home).code == 0
    private = (home, home / "secrets", home / "lake", home / "artifacts", home / "state.db", home / "offtake.toml")
    (home / "secrets" / "storage.env").write_text("")
    for path in (*private, home / "secrets" / "link.key", home / "secrets" / "storage.env"):
        path.chmod(0o755)
    assert command("init", home=home).code == 0
    opened = [path for path in home.rglob("*") if path.parent != home / "artifacts" and path.stat().st_mode & 0o077]
    assert (opened, home.stat().st_mode & 0o077) == ([], 0)


def test_init_refuses_a_folder_of_other_things_and_leaves_its_mode(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir(mode=0o755)
    (tmp_path / "other" / "photo").write_text("")
    refused(command("init", home=tmp_path / "other"), 4, "is not empty and not a home folder")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["photo"]
    assert (tmp_path / "other").stat().st_mode & 0o777 == 0o755


def test_init_exits_with_4_where_no_folder_can_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(command("init", home=tmp_path / "file" / "home"), 4, "cannot be made a home folder")


@pytest.mark.parametrize(
    "arguments",
    [
        ("seed", "--tenant", "acme"),
        ("load", "call", "x.csv", "--tenant", "acme"),
        ("serve",),
        ("worker",),
        ("tenant", "add", "x"),
        ("credential", "add", "acme", "--kind", "oauth"),
    ],
    ids=" ".join,
)
def test_a_missing_home_exits_with_4_and_is_not_created(arguments: tuple[str, ...], tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    refused(command(*arguments, home=missing), 4, str(missing), "offtake init")
    assert not missing.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("seed", "--tenant", "unknown"),
        ("load", "call", "x.csv", "--tenant", "unknown"),
        ("credential", "add", "unknown", "--kind", "oauth"),
        ("load", "no_such_table", "x.csv", "--tenant", "acme"),
        ("jobs", "list", "--tenant", "unknown"),
        ("jobs", "list", "--tenant", "unknown", "--json"),
    ],
    ids=" ".join,
)
def test_an_unknown_tenant_or_table_exits_with_6(arguments: tuple[str, ...], home: Path) -> None:
    refused(command(*arguments, home=home), 6, "There is no t")


def test_a_name_that_exists_exits_with_7(home: Path) -> None:
    refused(command("tenant", "add", "acme", home=home), 7, "acme exists already")
    first = ("credential", "add", "acme", "--kind", "basic", "--user", "ann")
    assert command(*first, home=home).code == 0
    refused(command(*first, home=home), 7, "already has a credential for that user")


def test_a_rotation_prints_the_new_secret_and_until_when_the_old_one_is_valid(home: Path) -> None:
    add = ("credential", "add", "acme", "--kind", "oauth", "--name", "nightly sync", "--json")
    made = result(command(*add, home=home))
    rotated = result(command("credential", "rotate", made["client_id"], "--overlap-hours", "2", "--json", home=home))
    assert rotated["client_id"] == made["client_id"]
    assert rotated["client_secret"] != made["client_secret"]
    listed = result(command("credential", "list", "acme", "--json", home=home))["credentials"]
    (entry,) = [each for each in listed if each["id"] == made["client_id"]]
    assert (entry["name"], entry["previous_secret_until"]) == ("nightly sync", rotated["previous_secret_until"])


def test_credentials_are_printed_once_and_are_all_different(home: Path) -> None:
    add = ("credential", "add", "acme", "--kind", "oauth", "--json")
    all_scopes, reader = result(command(*add, home=home)), result(command(*add, "--scope", "read", home=home))
    assert all_scopes.keys() == {"id", "tenant", "kind", "scopes", "reports", "personal", "client_id", "client_secret"}
    assert (all_scopes["tenant"], all_scopes["kind"], all_scopes["scopes"]) == ("acme", "oauth", ["read", "write"])
    assert reader["scopes"] == ["read"]
    assert all_scopes["client_id"] != reader["client_id"]
    assert all_scopes["client_secret"] != reader["client_secret"]
    secret = all_scopes["client_secret"].encode()
    assert [path for path in home.rglob("*") if path.is_file() and secret in path.read_bytes()] == []


def test_a_credential_can_be_limited_to_reports_and_to_columns_without_personal_data(home: Path) -> None:
    add = ("credential", "add", "acme", "--kind", "token")
    made = result(command(*add, "--report", "calls", "--report", "conv*", "--no-personal", "--json", home=home))
    assert (made["reports"], made["personal"]) == (["calls", "conv*"], False)
    listed = result(command("credential", "list", "acme", "--json", home=home))["credentials"]
    (found,) = [each for each in listed if each["id"] == made["id"]]
    assert (found["reports"], found["personal"]) == (["calls", "conv*"], False)
    text = command("credential", "list", "acme", home=home).out
    assert "only reports calls conv*, no personal columns" in text
    refused(command(*add, "--report", "call", home=home), 2, "--report", "no report has the name 'call'")
    refused(command(*add, "--report", "a b", home=home), 2, "--report", "'a b' is not a report's name")


@pytest.mark.parametrize(
    ("user", "fault"),
    [("a:b", "colon"), ("", "empty"), (" \t", "empty"), ("ann\n", "blank"), ("a\0nn", "control character")],
)
def test_user_names_that_http_basic_cannot_transport_are_refused(home: Path, user: str, fault: str) -> None:
    """RFC 7617 2; the same holds for company keys, except for colons."""
    refused(command("credential", "add", "acme", "--kind", "basic", "--user", user, home=home), 2, "--user", fault)
    if fault != "colon":
        refused(command("tenant", "add", "keyed", "--company-key", user, home=home), 2, "--company-key", fault)


def test_tokens_belong_to_a_person_or_to_the_tenant(home: Path) -> None:
    add = ("credential", "add", "acme", "--kind", "token", "--json")
    first, second = (result(command(*add, "--user", "Rita@acme.example", home=home)) for _ in range(2))
    assert first.keys() == {"id", "tenant", "kind", "scopes", "reports", "personal", "user", "token"}
    assert (first["user"], first["scopes"]) == ("Rita@acme.example", ["read", "write"])
    assert first["token"] != second["token"]  # a person may have several tokens, to replace one by another
    grants = ("--scope", "read", "--scope", "impersonate", "--scope", "admin")
    whole = result(command(*add, *grants, home=home))
    assert whole.keys() == {"id", "tenant", "kind", "scopes", "reports", "personal", "token"}
    assert whole["scopes"] == ["admin", "impersonate", "read"]
    secrets = [made["token"].partition(".")[2].encode() for made in (first, second, whole)]
    assert [path for path in home.rglob("*") if path.is_file() and any(s in path.read_bytes() for s in secrets)] == []
    refused(command("credential", "add", "acme", "--kind", "oauth", "--user", "x", home=home), 2, "belongs to no user")


@pytest.mark.parametrize(
    ("arguments", "secret"),
    [(("oauth",), "client secret"), (("basic", "--user", "words"), "password"), (("token",), "token")],
    ids=["oauth", "basic", "token"],
)
def test_an_added_credential_is_printed_in_words_with_its_id(
    arguments: tuple[str, ...], secret: str, home: Path
) -> None:
    done = command("credential", "add", "acme", "--kind", *arguments, home=home)
    assert done.code == 0
    first, may, *lines = done.out.splitlines()
    listed = result(command("credential", "list", "acme", "--json", home=home))["credentials"]
    (made,) = [each for each in listed if f" {each['id']} " in first]
    assert first == f"Credential {made['id']} ({arguments[0]}) of tenant acme is ready."
    assert may == "It may: read, write."
    assert [line for line in lines if line.startswith(f"    {secret:<14} ")]
    assert lines[-1].startswith(f"Store it now: the {secret}")
    shown = command("credential", "list", "acme", home=home)
    assert [line.split()[:2] for line in shown.out.splitlines() if made["id"] in line] == [[made["id"], arguments[0]]]


def test_a_tenant_is_shown_changed_and_removed(home: Path) -> None:
    assert command("tenant", "add", "short", home=home).code == 0
    changes = (
        "--not-verified",
        "--timezone",
        "Europe/Prague",
        "--company-key",
        "short-key",
        "--limit",
        "budget.kept_files=7",
    )
    changed = result(command("tenant", "set", "short", *changes, "--json", home=home))
    assert changed == {
        "tenant": "short",
        "timezone": "Europe/Prague",
        "company_key": "short-key",
        "verified": False,
        "limits": {"budget.kept_files": 7},
    }
    shown = result(command("tenant", "show", "short", "--json", home=home))
    assert {"option": "budget.kept_files", "value": 7, "from": "tenant set"} in shown["limits"]
    listed = result(command("tenant", "list", "--json", home=home))["tenants"]
    assert [each["state"] for each in listed if each["tenant"] == "short"] == ["active"]
    refused(command("tenant", "set", "short", "--limit", "budget.kept_fils=7", home=home), 3, "budget.kept_files?")
    refused(command("tenant", "show", "shore", home=home), 6, "did you mean short?")

    assert result(command("tenant", "remove", "short", "--dry-run", "--json", home=home))["dry_run"]
    for confirmed in ((), ("--confirm", "other")):
        refused(command("tenant", "remove", "short", *confirmed, home=home), 2, "--confirm")
    assert command("erase", "--tenant", "short", "--person", "ann@customer.example", home=home).code == 0
    refused(command("erase", "--tenant", "short", "--person", "+1", home=home), 2, "with a country code")
    assert result(command("tenant", "remove", "short", "--confirm", "short", "--json", home=home))["tenant"] == "short"
    refused(command("tenant", "remove", "short", "--confirm", "short", home=home), 6, "There is no tenant short")


def test_public_keys_of_a_client_are_added_listed_and_removed(home: Path, tmp_path: Path) -> None:
    assert command("tenant", "add", "signing", home=home).code == 0
    made = result(command("credential", "add", "signing", "--kind", "oauth", "--json", home=home))
    client, other = made["client_id"], ec.generate_private_key(ec.SECP256R1())
    public, private = tmp_path / "public.pem", tmp_path / "private.pem"
    public.write_bytes(other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    private.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def key(*arguments: str) -> Done:
        return command("credential", "key", *arguments, home=home)

    named = result(key("add", client, str(public), "--json"))
    assert named["client_id"] == client
    refused(key("add", client, str(public)), 7, named["kid"])
    assert result(key("add", client, str(public), "--kid", "mine", "--json"))["kid"] == "mine"
    refused(key("add", client, str(private)), 2, "private key")
    refused(key("add", "unknown", str(public)), 6)
    assert key("add", client, str(tmp_path / "missing.pem")).code == 2
    assert key("add", client, str(public), "--kid", "x" * 256).code == 2
    (listed,) = result(command("credential", "list", "signing", "--json", home=home))["credentials"]
    assert listed["id"] == client
    assert sorted(listed["keys"]) == sorted(["mine", named["kid"]])
    assert made["client_secret"] not in json.dumps(listed)
    assert key("remove", client, "mine").code == 0
    refused(key("remove", client, "mine"), 6, "mine")


def test_a_revoked_credential_is_no_longer_listed(home: Path) -> None:
    assert command("tenant", "add", "leaving", home=home).code == 0
    made = result(command("credential", "add", "leaving", "--kind", "oauth", "--json", home=home))
    done = result(command("credential", "revoke", made["client_id"], "--json", home=home))
    assert done == {"tenant": "leaving", "id": made["client_id"], "revoked": True}
    assert result(command("credential", "list", "leaving", "--json", home=home))["credentials"] == []
    refused(command("credential", "revoke", made["client_id"], home=home), 6, "offtake credential list")
    refused(command("credential", "list", "unknown", home=home), 6)


def test_an_added_tenant_is_printed_as_json(home: Path) -> None:
    done = command("tenant", "add", "prague", "--timezone", "Europe/Prague", "--json", home=home)
    assert result(done) == {"tenant": "prague", "timezone": "Europe/Prague", "company_key": None}


BAD_SETTINGS = [
    ("[worker]\nthreds = 4\n", 2, ["threds", "did you mean worker.threads?"]),
    ("# one\n# two\n[wroker]\nthreads = 4\n", 3, ["wroker", "did you mean worker?"]),
    ("\n[server]\nport = 'eighty'\n", 3, ["server.port"]),
    ("[server]\nport = 70000\n", 2, ["server.port"]),
    (
        "[worker]\nheartbeat_seconds = 5\nlease_seconds = 10\n",
        3,
        ["lease_seconds", "contradicts heartbeat_seconds = 5"],
    ),
    ("[server]\npublic_url = 'exports.example.org'\n", 2, ["server.public_url"]),
    ("[server\n", 1, ["not TOML"]),
]


@pytest.mark.parametrize(("text", "line", "words"), BAD_SETTINGS, ids=lambda value: str(value)[:24])
@pytest.mark.parametrize("arguments", [("serve",), ("worker",), ("config", "show")], ids=" ".join)
def test_invalid_settings_exit_with_3_and_name_file_and_line(
    text: str, line: int, words: list[str], arguments: tuple[str, ...], home: Path, settings: Path
) -> None:
    settings.write_text(text)
    refused(command(*arguments, home=home), 3, f"{settings}:{line}: ", *words)


def test_all_invalid_settings_are_reported_at_once(home: Path, settings: Path) -> None:
    settings.write_text("[server]\nport = -1\n[worker]\nthreds = 1\n")
    environment = {"OFFTAKE_WORKER__TRHEADS": "2"}
    done = command("config", "show", home=home, environment=environment)
    refused(done, 3, "OFFTAKE_WORKER__TRHEADS", f"{settings}:2: ", f"{settings}:4: ")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OFFTAKE_WORKER__THREDS", "4", ["unknown option", "did you mean OFFTAKE_WORKER__THREADS?"]),
        ("OFFTAKE_WORKERS", "4", ["unknown option"]),
        ("OFFTAKE_WORKER__THREADS", "many", ["worker.threads"]),
        ("OFFTAKE_WORKER__LEASE_SECONDS", "1", ["contradicts heartbeat_seconds"]),
    ],
)
def test_an_invalid_variable_exits_with_3_and_is_named(name: str, value: str, words: list[str], home: Path) -> None:
    done = command("config", "show", home=home, environment={name: value})
    refused(done, 3, f"environment variable {name}", *words)


def test_an_interrupted_load_ends_without_a_traceback_and_stores_nothing(tmp_path: Path) -> None:
    home, rows = tmp_path / "home", tmp_path / "rows.csv"
    rows.write_text("team_id,name\n" + "".join(f"{n},name {n}\n" for n in range(2_000_000)))
    assert command("init", home=home).code == 0
    assert command("tenant", "add", "acme", home=home).code == 0
    running = subprocess.Popen(
        [sys.executable, "-m", "offtake", "load", "team", str(rows), "--tenant", "acme", "--home", str(home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for("a chunk", lambda: any((home / "lake" / "_staging").glob("*/chunk")) or running.poll() is not None)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (130, "", "offtake: interrupted\n")
    assert [path.name for path in (home / "lake" / "_staging").iterdir()] == ["lock"]
    assert not (home / "lake" / "team").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("credential", "add", "acme", "--kind", "oath"),
            "'--kind': 'oath' is not one of 'basic', 'oauth', 'token', 'share'.",
        ),
        (("audit", "list", "--limit", "x"), "'--limit': 'x' is not a whole number."),
        (("audit", "list", "--limit", "0"), "'--limit': '0' is less than 1."),
        (("audit", "list", "--limit", "100001"), "'--limit': '100001' is more than 100000."),
        (
            ("seed", "--tenant", "acme", "--until", "2026-13-01"),
            "'2026-13-01' is not a day; write YYYY-MM-DD, today or yesterday.",
        ),
        (("seed", "--tenant", "acme", "--days", "1.5"), "'--days': '1.5' is not a whole number."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_invalid_value_is_quoted_in_plain_words(arguments: tuple[str, ...], message: str, home: Path) -> None:
    done = command(*arguments, home=home)
    refused(done, 2, "Error: Invalid value for ", message)
    assert "Value error" not in done.err


def test_the_command_to_run_next_names_the_same_home(tmp_path: Path) -> None:
    home, variable = tmp_path / "a home", tmp_path / "other"
    option = f" --home '{home}'\n"
    made = command("init", "--home", str(home), home=variable)
    assert made.out.endswith(f"Next: offtake tenant add NAME{option}")
    added = command("tenant", "add", "acme", "--home", str(home), home=variable)
    assert added.out.endswith(f"Next: offtake credential add acme --kind oauth{option}")
    added = command("tenant", "add", "other", home=home)  # a variable names the home
    assert added.out.endswith("Next: offtake credential add other --kind oauth\n")


def test_the_environment_overrides_the_settings_file(home: Path, settings: Path) -> None:
    settings.write_text("[worker]\nthreads = 3\nmemory_mb = 300\n")
    shown = result(command("config", "show", "--json", home=home, environment={"OFFTAKE_WORKER__THREADS": "5"}))
    assert shown["worker"]["threads"] == 5
    assert shown["worker"]["memory_mb"] == 300
    assert shown["talkdesk"]["open_jobs"] == 15


def test_the_printed_settings_are_a_valid_settings_file(home: Path, settings: Path) -> None:
    settings.write_text(
        '[server]\npublic_url = "https://exports.example.org"\n[talkdesk]\nrows = 77\n'
        '[tenants.acme.talkdesk]\nopen_jobs = 30\ncsv_header = "names"\n'
        '[sources.calls]\ntenant = "acme"\ntable = "call"\nlocation = "s3://ann:SECRET@bucket/calls"\n'
        'pattern = "*.csv"\nattempts = 3\n'
    )
    before = result(command("config", "show", "--json", home=home))
    del before["attempt_resources"]  # the free disk space varies
    printed = command("config", "show", home=home).out
    assert before["sources"]["calls"]["location"] == "s3://ann:***@bucket/calls"
    assert "SECRET" not in printed
    assert "[sources.calls]" in printed
    settings.write_text(printed)
    after = result(command("config", "show", "--json", home=home))
    assert after | before == after
    assert before["talkdesk"]["rows"] == 77
    assert before["tenants"]["acme"] == {"talkdesk": {"open_jobs": 30, "csv_header": "names"}}


def _ndjson(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_reports_are_listed_with_their_wire_names(home: Path) -> None:
    listed = {report["name"]: report for report in result(command("report", "list", "--json", home=home))["reports"]}
    assert listed.keys() == {path.name for path in BUILT_IN.iterdir() if (path / "report.toml").exists()}
    assert listed["calls"]["slugs"] == {"native": "calls", "talkdesk": "calls"}
    assert listed["calls"]["columns"][0] == "call_id"
    assert "talkdesk calls" in command("report", "list", home=home).out


def test_a_faulty_custom_report_exits_with_5_and_names_file_and_line(home: Path, settings: Path) -> None:
    own = home / "own" / "late_calls"
    own.mkdir(parents=True)
    (own / "report.toml").write_text('title = "Late calls"\ngrain = "One row per late call."\nwindwo = "ended_at"\n')
    (own / "query.sql").write_text("SELECT 1\n")
    settings.write_text('[catalogue]\nfolders = ["own"]\n')
    for arguments in (["report", "list"], ["serve", "--port", "0"]):
        done = command(*arguments, home=home)
        assert done.code == 5
        assert f"{own / 'report.toml'}:3: unknown key 'windwo'; did you mean 'window'?" in done.err
        assert done.out == ""


def test_seed_can_be_limited_to_one_table(home: Path) -> None:
    done = result(command("seed", "--tenant", "acme", "--calls", "50", "--table", "team", "--json", home=home))
    assert list(done["rows"]) == ["team"]
    assert command("seed", "--tenant", "acme", "--table", "teem", home=home).code == 6


def test_load_prints_the_numbers_of_rows(home: Path, tmp_path: Path) -> None:
    assert command("tenant", "add", "loads", home=home).code == 0
    rows = [call(f"c{number}", "2026-03-01T10:00:00Z") for number in (1, 2, 2)]
    load = ("load", "call", _ndjson(tmp_path / "a.ndjson", *rows), "--tenant", "loads", "--json")
    first = result(command(*load, home=home))
    counts = {"read": 3, "superseded": 1, "rejected": 0, "left_out": 0, "updated": 0, "marked": 0, "deleted": 0}
    shared = {"table": "call", "tenant": "loads", "skipped": [], **counts}
    assert first == shared | {"inserted": 2, "unchanged": 0, "load": first["load"], "version": 1}
    again = result(command(*load, home=home))
    assert again == shared | {"inserted": 0, "unchanged": 2, "load": again["load"], "version": None}
    recorded = result(command("loads", "show", first["load"], "--json", home=home))
    size = (tmp_path / "a.ndjson").stat().st_size
    assert recorded["source"] == [{"name": str(tmp_path / "a.ndjson"), "bytes": size}]
    local = {"call_id": "c3", "started_at": "2026-10-25T02:30:00", "ended_at": "2026-10-25T03:30:00"}
    row = (
        {name: cell for name, cell in call("c3", "2026-03-01T10:00:00Z").items() if cell is not None}
        | local
        | {"decimal_custom_1": "1234,5"}
    )
    file = tmp_path / "local.csv"
    file.write_text(
        ";".join(row)
        + "\n"
        + ";".join(cell if isinstance(cell, str) else json.dumps(cell) for cell in row.values())
        + "\n"
    )
    options = ("--delimiter", ";", "--assume-timezone", "Europe/Prague", "--decimal", ",")
    assert (
        result(command("load", "call", str(file), "--tenant", "loads", *options, "--json", home=home))["inserted"] == 1
    )
    found = DeltaTable(str(home / "lake" / "call")).to_pyarrow_table(filters=[("call_id", "=", "c3")]).to_pylist()
    (stored,) = [each for each in found if each["tenant"] == "loads"]
    assert stored["started_at"] == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # the earlier of two
    assert stored["ended_at"] == datetime(2026, 10, 25, 2, 30, tzinfo=UTC)
    assert stored["decimal_custom_1"] == 1234.5
    assert (recorded["state"], recorded["version"], recorded["counts"]["inserted"]) == ("committed", 1, 2)


def test_a_load_is_undone_unless_later_loads_touched_its_rows(home: Path, tmp_path: Path) -> None:
    assert command("tenant", "add", "undo", home=home).code == 0
    teams = tmp_path / "teams.csv"

    def load(text: str, *options: str) -> dict[str, Any]:
        teams.write_text(text)
        return result(command("load", "team", str(teams), "--tenant", "undo", "--json", *options, home=home))

    first = load("team_id,name\na,1\nb,1\n")
    feed = load("op,team_id,name\nU,b,2\nI,c,2\nD,zz,\nD,a,\n", "--delete-column", "op")
    assert [feed[name] for name in ("read", "inserted", "updated", "marked", "deleted")] == [4, 1, 1, 2, 1]
    refused(
        command("loads", "undo", first["load"], home=home), 11, f"2 rows by load {feed['load']}", "Undo these first"
    )
    tried = result(command("loads", "undo", feed["load"], "--dry-run", "--json", home=home))
    done = result(command("loads", "undo", feed["load"], "--json", home=home))
    assert [done[name] for name in ("inserted", "updated", "deleted")] == [1, 1, 1]
    assert tried == done | {"dry_run": True, "load": None, "version": None}
    refused(command("loads", "undo", feed["load"], home=home), 11, f"is undone by {done['load']}")
    refused(command("loads", "undo", done["load"], home=home), 11, "cannot be undone")
    assert result(command("loads", "undo", first["load"], "--json", home=home))["deleted"] == 2
    listed = result(command("loads", "list", "--tenant", "undo", "--json", home=home))["loads"]
    for words in (("loads", "list", "--tenant", "undo"), ("audit", "list")):
        newest = command(*words, "--limit", "1", "--json", home=home)
        assert newest.err == "Only the newest 1 are shown; --limit shows more.\n"
        assert [len(records) for records in result(newest).values()] == [1]
    assert command("loads", "list", "--tenant", "undo", "--limit", str(len(listed)), home=home).err == ""
    assert [each["state"] for each in listed] == ["committed", "committed", "failed", "undone", "undone"]


def test_delete_needs_keys_or_a_filter_on_columns_of_the_table(home: Path, tmp_path: Path) -> None:
    assert command("tenant", "add", "deletes", home=home).code == 0
    teams, keys = tmp_path / "teams.csv", tmp_path / "keys.csv"
    teams.write_text("team_id,name\na,1\nb,1\nc,2\n")
    keys.write_text("team_id\nc\nzz\n")
    assert command("load", "team", str(teams), "--tenant", "deletes", home=home).code == 0
    delete = ("delete", "team", "--tenant", "deletes", "--json")
    refused(command(*delete, home=home), 2, "--keys")
    refused(command(*delete, "--where", 'nam = "1"', home=home), 2, "--where", "did you mean name?")
    tried = result(command(*delete, "--keys", str(keys), "--dry-run", home=home))
    done = result(command(*delete, "--keys", str(keys), home=home))
    assert (tried["marked"], tried["deleted"], done["marked"], done["deleted"]) == (2, 1, 2, 1)
    assert result(command(*delete, "--where", 'name = "1" and not team_id = "b"', home=home))["deleted"] == 1
    window = ("--replace-window", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")
    refused(command("load", "team", str(teams), "--tenant", "deletes", *window, home=home), 9, "no event time")
    assert result(command("load", "team", str(teams), "--tenant", "deletes", "--json", home=home))["inserted"] == 2


def test_an_invalid_row_exits_with_8_and_stops_the_load(home: Path, tmp_path: Path) -> None:
    assert command("tenant", "add", "strict", home=home).code == 0
    good, bad = call("good", "2026-03-01T10:00:00Z"), call("bad", "2026-03-01T10:00:00Z", talk_seconds=-1)
    file = _ndjson(tmp_path / "b.ndjson", good, bad, {**bad, "call_id": "worse"})
    load = ("load", "call", file, "--tenant", "strict", "--json")
    refused(
        command(*load, home=home),
        8,
        f"{file}:2: column talk_seconds",
        "is less than the minimum 0",
        "1 more",
        "Nothing was loaded",
    )
    assert command(*load, home=home).err.startswith("offtake: "), "neither a progress bar nor its empty line"

    rejects = tmp_path / "rejects.ndjson"
    refused(command(*load, "--reject-to", str(rejects), "--max-rejects", "50%", home=home), 8, "2 of 3 rows are bad")
    counts = result(command(*load, "--reject-to", str(rejects), "--max-rejects", "2", home=home))
    assert rejects.stat().st_mode & 0o777 == 0o600
    assert (counts["read"], counts["inserted"], counts["rejected"]) == (3, 1, 2)
    lines = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [(line["line"], line["column"], line["reason"]) for line in lines] == [
        (2, "talk_seconds", "is less than the minimum 0"),
        (3, "talk_seconds", "is less than the minimum 0"),
    ]
    assert lines[0]["row"]["call_id"] == "bad"


@pytest.mark.parametrize("target", ["source", "fifo", "symlink", "device", "settings", "state", "lake"])
def test_reject_to_never_replaces_anything_but_a_regular_file_of_its_own(
    target: str, home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "team.csv"
    file.write_text("team_id,name\nt1,One\n,Nameless\n")
    paths = {
        "source": tmp_path / "hard.csv",
        "fifo": tmp_path / "fifo",
        "symlink": tmp_path / "symlink",
        "device": Path("/dev/null"),
        "settings": home / "offtake.toml",
        "state": home / "state.db",
        "lake": home / "lake" / "rejected.ndjson",
    }
    os.mkfifo(paths["fifo"])
    paths["symlink"].symlink_to(file)
    paths["source"].hardlink_to(file)
    before = [(path.lstat().st_ino, path.lstat().st_mode) for path in paths.values() if path.exists()]
    load = ("load", "team", str(file), "--tenant", "acme", "--reject-to", str(paths[target]))
    refused(command(*load, home=home), 9, f"--reject-to: {paths[target]} is ", "name a")
    assert before == [(path.lstat().st_ino, path.lstat().st_mode) for path in paths.values() if path.exists()]
    assert file.read_text().startswith("team_id")


def test_an_unreadable_file_exits_with_9(home: Path, tmp_path: Path) -> None:
    refused(command("load", "call", str(tmp_path / "no.csv"), "--tenant", "acme", home=home), 9, "no.csv")
    odd = tmp_path / "odd.xlsx"
    odd.write_text("")
    refused(command("load", "call", str(odd), "--tenant", "acme", home=home), 9, "odd.xlsx")


def test_control_characters_of_a_file_never_reach_the_terminal(home: Path, tmp_path: Path) -> None:
    name = "a\x1b[31m\x9b\x07.csv"
    (tmp_path / name).write_text("team_id,\x1b[31mred\x1b]0;title\x07\n")
    done = command("load", "team", str(tmp_path / name), "--tenant", "acme", home=home)
    refused(done, 9, "a\\x1b[31m\\x9b\\x07.csv:1: unknown column", "\\x1b[31mred\\x1b]0;title\\x07")
    (tmp_path / name).write_text("team_id,name,tenant\na,b,\x1b[31mred\n")
    later = command("load", "team", str(tmp_path / name), "--tenant", "acme", home=home)
    refused(later, 8, "'\\x1b[31mred'")
    assert not {"\x1b", "\x07", "\x9b"} & {*done.err, *later.err}


def test_seed_prints_the_numbers_of_rows_and_is_repeatable(home: Path, tmp_path: Path) -> None:
    assert command("tenant", "add", "seeded", home=home).code == 0
    seed = ("seed", "--tenant", "seeded", "--calls", "50", "--days", "2", "--until", "2026-03-31", "--json")
    made = result(command(*seed, home=home))
    assert made["rows"]["call"] == 50
    assert set(made["rows"]) == set(tables())
    assert result(command(*seed, home=home)) == made

    own = tmp_path / "team.csv"
    own.write_text("team_id,name\nown,Own\n")
    assert command("load", "team", str(own), "--tenant", "seeded", home=home).code == 0
    refused(command(*seed, home=home), 11, "rows that are not sample data", "in: team.", "--force")
    assert command(*seed, "--table", "team", "--force", home=home).code == 0


def test_a_port_in_use_is_reported(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = command("serve", "--port", str(port), "--workers", "0", home=home)
    refused(done, 4, f"Cannot listen on 127.0.0.1 port {port}", "in use")


def test_an_unknown_host_name_is_reported(home: Path) -> None:
    done = command("serve", "--host", "no-such-host.invalid", "--port", "0", "--workers", "0", home=home)
    refused(done, 4, "Cannot listen on no-such-host.invalid")


def test_serve_prints_one_line_and_exits_with_0(home: Path) -> None:
    """Only the ready line goes to standard output; all other lines go to standard error as JSON."""
    served = subprocess.Popen(
        [sys.executable, "-m", "offtake", "serve", "--port", "0", "--workers", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OFFTAKE_HOME": str(home)},
    )
    assert served.stdout is not None
    first = json.loads(served.stdout.readline())
    assert first.keys() == {"url"}
    host, port = first["url"].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b"GET /data/reports HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 404 ")
    served.send_signal(signal.SIGTERM)
    out, err = served.communicate(timeout=90)
    assert served.returncode == 0, err
    assert out == ""
    lines = [json.loads(line) for line in err.splitlines()]
    (started,) = [line for line in lines if line["event"] == "server_started"]
    assert (started["level"], started["url"], started["version"]) == ("info", first["url"], __version__)
    assert (started["home"], started["state"], started["workers"]) == (str(home), "sqlite", 1)


def test_a_stopped_server_requeues_its_running_export(large: Installation) -> None:
    """SIGTERM during an export ends the server with 0 and requeues the job; the next server completes it."""
    server = large.serve(workers=1)
    with TalkdeskWire.connect(server.url, large.add_client("acme")) as client:
        job = client.create("calls", *MARCH, format_="json_bulk")
        staging = large.home / "artifacts" / "staging"
        wait_for("a half written file", lambda: [path for path in staging.glob(f"{job}.*") if path.stat().st_size > 0])
    assert server.stop() == 0
    outcomes = [line["outcome"] for line in server.log_lines() if line["event"] == "attempt" and line["job"] == job]
    assert outcomes == ["requeued"]
    assert list((large.home / "artifacts").rglob(f"{job}*")) == []

    again = large.serve(workers=1)
    with TalkdeskWire.connect(again.url, large.add_client("acme")) as client:
        assert client.wait("calls", job) == "done"
        content = client.download("calls", job)
    assert int(content.headers["x-export-rows"]) == content.content.count(b"\n")
    (attempt,) = [line for line in again.log_lines() if line["event"] == "attempt" and line["job"] == job]
    assert (attempt["outcome"], attempt["attempt"]) == ("succeeded", 1)  # a requeued attempt does not count
    (started,) = [line for line in again.log_lines() if line["event"] == "worker_started"]
    assert (started["level"], started["version"], started["home"]) == ("info", __version__, str(large.home))
    assert again.stop() == 0
