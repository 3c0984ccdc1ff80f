"""A person is erased, and a tenant removed, where the lake and the files of exports are in object storage."""

from __future__ import annotations

import json
import re
from io import BytesIO
from pathlib import Path

import pytest
from pyarrow import parquet

from offtake.core.admin import identity
from offtake.core.admin.erasure.erase import erase
from offtake.core.admin.tenant_removal import remove_tenant
from offtake.core.loads import changes
from offtake.core.loads.changes import Target
from offtake.errors import UnknownName
from offtake.lake.ingest.options import LoadOptions
from offtake.lake.tables import tables
from offtake.model.tenant import Tenant
from tests.conformance.test_erasure import ANN, MINE, NOW, THEIRS, export, rows, stored_rows
from tests.fixtures.buckets import S3Server
from tests.fixtures.installation import Installation

_ADDRESS = re.compile(rf"(?<!jo){re.escape(ANN)}(?!\.org)", re.IGNORECASE)
_OF_ANN = re.compile(rf"{_ADDRESS.pattern}|Quokka (one|three|four)|cust-ann", re.IGNORECASE)


def _objects(server: S3Server, name: str) -> dict[str, bytes]:
    bucket = server.bucket(name, prefix="")
    return {each.key: b"".join(bucket.read(each.key, 0, each.bytes)) for each in bucket.objects("")}


def _text(key: str, content: bytes) -> str:
    return (
        str(parquet.read_table(BytesIO(content)).to_pylist()) if key.endswith(".parquet") else content.decode("latin-1")
    )


def _is_hers(key: str, content: bytes) -> bool:
    """Whether an object of the tenant has an address, a text or an id of the person; tombstones may have the ids."""
    pattern = _ADDRESS if "_tombstones" in key else _OF_ANN
    return f"={MINE}/" in key and pattern.search(_text(key, content)) is not None


def test_no_object_of_the_person_or_the_tenant_is_left(moto: S3Server, tmp_path: Path) -> None:
    name = moto.fresh_bucket()
    moto.install(Installation(tmp_path / "home"), name)
    with Installation(tmp_path / "home").services() as on:
        for tenant in (MINE, THEIRS):
            identity.add_tenant(Tenant(name=tenant), on)
            for table, listed in rows().items():
                file = tmp_path / "rows.ndjson"
                file.write_text("".join(json.dumps(row) + "\n" for row in listed))
                target = Target(tenant=tenant, table=tables()[table], actor="root")
                changes.load(target, [file], LoadOptions(), lambda done: None, on)
        file.unlink()
        exported = [export(on, 3, tenant=tenant) for tenant in (MINE, THEIRS)]
        others = stored_rows(THEIRS, on)
        erase(MINE, ANN, "root", on, options=NOW)
        kept = _objects(moto, name)
        assert {key for key, content in kept.items() if _is_hers(key, content)} == set()
        assert stored_rows(THEIRS, on) == others
        assert [row["customer_id"] for row in stored_rows(MINE, on)["customer"]] == ["cust-bob"]
        assert all(any(job in key for key in kept) for job in exported)

        remove_tenant(MINE, "root", on, cancel_running=False)
        left = _objects(moto, name)
        assert [key for key in left if f"={MINE}/" in key or f"/{MINE}/" in key] == []
        assert stored_rows(THEIRS, on) == others
        assert any(exported[1] in key for key in left)
        with pytest.raises(UnknownName):
            identity.get_tenant(MINE, on)
