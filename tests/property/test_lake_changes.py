"""Any sequence of loads, deletions and undos: rows, conflicts and incremental reads agree with a dictionary."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from offtake.lake.changes import CHANGED, DELETED, change_views, locate_changes
from offtake.lake.compact import compact
from offtake.lake.delta import Lake
from offtake.lake.ingest.delete import delete_keys, delete_where
from offtake.lake.ingest.load import load_files
from offtake.lake.ingest.options import LoadOptions
from offtake.lake.ingest.row_filter import parse_row_filter
from offtake.lake.ingest.undo import Conflict, undo_change
from offtake.lake.ingest.upsert import Change, Stored
from offtake.lake.storage import FolderTableStorage
from offtake.model.timespan import Timespan
from tests.unit.lake.stored import TABLES, stored, version, written

POST = TABLES["post"]
MONTHS = ("2026-01", "2026-02", "2026-03")
FEBRUARY = Timespan(start=datetime(2026, 2, 1, tzinfo=UTC), end=datetime(2026, 3, 1, tzinfo=UTC), zone="UTC")
Row = tuple[str, str]  # month and body
Rows = dict[str, Row]  # by post

_KEYS = st.sampled_from("abcd")
_ROWS = st.dictionaries(_KEYS, st.tuples(st.sampled_from(MONTHS), st.sampled_from("xy")), min_size=1)
_ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("load"), _ROWS),
        st.tuples(st.just("load"), _ROWS),
        st.tuples(st.just("feed"), st.dictionaries(_KEYS, st.none() | st.tuples(st.just(MONTHS[0]), st.just("z")))),
        st.tuples(st.just("replace"), st.dictionaries(_KEYS, st.tuples(st.just(MONTHS[1]), st.sampled_from("xy")))),
        st.tuples(st.just("delete keys"), st.sets(_KEYS, min_size=1)),
        st.tuples(st.just("delete where"), st.sampled_from("xyz")),
        st.tuples(st.just("undo"), st.integers(0, 9)),
        st.tuples(st.just("undo"), st.integers(0, 9)),
        st.tuples(st.just("compact"), st.none()),
    ),
    min_size=3,
    max_size=9,
)


@dataclass
class Made:
    """A change of the test: its version, and the rows before and after it."""

    id: str
    version: int
    before: Rows
    after: Rows
    is_undo: bool = False
    is_undone: bool = False

    @property
    def touched(self) -> set[str]:
        return {key for key in self.before.keys() | self.after.keys() if self.before.get(key) != self.after.get(key)}


@dataclass
class World:
    """A lake, the rows that it should have, what changed them, and the rows by version."""

    folder: Path
    rows: Rows = field(default_factory=dict)
    made: list[Made] = field(default_factory=list)
    states: dict[int, Rows] = field(default_factory=lambda: {0: {}})

    def __post_init__(self) -> None:
        self.lake = Lake(FolderTableStorage(self.folder / "lake"))
        self.lake.create(POST)

    def file(self, rows: dict[str, Any], **more: Any) -> Path:
        lines = [
            {"post_id": key, "conversation_id": "c", "kind": "incoming", **more.get("extra", {})}
            | ({"op": "D", "conversation_id": None} if row is None else {"happened_at": _at(row[0]), "body": row[1]})
            for key, row in rows.items()
        ]
        return written(self.folder / "in.ndjson", "".join(json.dumps(line) + "\n" for line in lines))

    def run(self, action: str, given: Any) -> None:
        change, after = Change(), dict(self.rows)
        if action == "compact":
            compact(self.lake, POST, tenant="acme", max_files=0)
        elif action == "undo":
            self.undo(given)
        elif action in ("load", "feed", "replace"):
            options = LoadOptions(
                change=change,
                period=FEBRUARY if action == "replace" else None,
                delete_column="op" if action == "feed" else None,
            )
            path = self.file(given)
            if action == "replace":
                after = {key: row for key, row in after.items() if row[0] != MONTHS[1]}
            after |= {key: row for key, row in given.items() if row is not None}
            for key in [key for key, row in given.items() if row is None]:
                after.pop(key, None)
            self.check(change, after, load_files(self.lake, POST, [path], tenant="acme", options=options))
        elif action == "delete keys":
            path = written(self.folder / "keys.csv", "post_id\n" + "".join(f"{key}\n" for key in sorted(given)))
            after = {key: row for key, row in after.items() if key not in given}
            self.check(change, after, delete_keys(self.lake, POST, [path], tenant="acme", change=change))
        else:
            where = parse_row_filter(POST, f'body = "{given}" and happened_at < "2026-03-01T00:00:00Z"')
            after = {key: row for key, row in after.items() if not (row[1] == given and row[0] < MONTHS[2])}
            self.check(change, after, delete_where(self.lake, POST, where, tenant="acme", change=change))
        self.states[version(self.lake, POST)] = dict(self.rows)

    def undo(self, number: int) -> None:
        candidates = [made for made in self.made if not made.is_undo and not made.is_undone]
        if not candidates:
            return
        target = candidates[number % len(candidates)]
        change = Change()
        undone = {made.id for made in self.made if made.is_undo or made.is_undone}
        found = undo_change(self.lake, POST, tenant="acme", version=target.version, undone=undone, change=change)
        later = [made for made in candidates if made.version > target.version]
        last = {key: made.version for made in later for key in made.touched & target.touched}
        expected = tuple(
            Conflict(version=number, rows=list(last.values()).count(number)) for number in sorted(set(last.values()))
        )
        assert found.conflicts == expected
        if found.stored is None:
            return
        after = dict(self.rows)
        for key in target.touched:
            after.pop(key, None)
            if key in target.before:
                after[key] = target.before[key]
        target.is_undone = True
        self.check(change, after, found.stored, is_undo=True)

    def check(self, change: Change, after: Rows, found: Stored, *, is_undo: bool = False) -> None:
        counts, before = found.counts, self.rows
        assert counts.inserted == len(after.keys() - before.keys())
        assert counts.deleted == len(before.keys() - after.keys())
        assert counts.updated == sum(before[key] != after[key] for key in before.keys() & after.keys())
        assert (found.version is None) == (before == after)
        if found.version is not None:
            self.made.append(Made(change.id, found.version, before, after, is_undo=is_undo))
        self.rows = after
        assert _read(self.lake) == after


def _at(month: str) -> str:
    return f"{month}-15T00:00:00.000000Z"


def _read(lake: Lake) -> Rows:
    return {str(key[0]): (str(row["happened_at"])[:7], str(row["body"])) for key, row in stored(lake, POST).items()}


# Each action takes a tenth of a second, so that shrinking would take minutes.
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(actions=_ACTIONS, pick=st.randoms(use_true_random=False))
def test_changes_agree_with_a_dictionary(actions: list[tuple[str, Any]], pick: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        for action, given_ in actions:
            world.run(action, given_)
        for _ in range(3):
            after, until = sorted(pick.choices(sorted(world.states), k=2))
            assert _follow(world, after, until) == world.states[until]


def _follow(world: World, after: int, until: int) -> Rows:
    """Bring a reader's rows from one version to the other."""
    rows = dict(world.states[after])
    changes = locate_changes(world.lake, POST, tenant="acme", after=after, until=until)
    with duckdb.connect() as connection, change_views(world.lake, POST, changes, connection):
        connection.execute("SET TimeZone = 'UTC'")
        gone = connection.execute(f"SELECT post_id, version FROM {DELETED}").fetchall()
        new = connection.execute(f"SELECT post_id, month, body, _version FROM {CHANGED}").fetchall()
    assert all(after < row[-1] <= until for row in (*gone, *new))
    for key, _ in gone:
        rows.pop(key, None)
    for key, month, body, _ in new:
        assert rows.get(key) != (month, body) or after == until or _changed_between(world, key, after, until)
        rows[key] = (month, body)
    return rows


def _changed_between(world: World, key: str, after: int, until: int) -> bool:
    return any(after < made.version <= until and key in made.touched for made in world.made)
