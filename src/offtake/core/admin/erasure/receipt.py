"""The receipt of an erasure: what was searched and removed, when and by whom. It never has the person's values."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from offtake.core.services import Services
from offtake.lake.erasure.search import TableFindings
from offtake.store import installation

# What an erasure does not reach, for the operator who answers a request.
NOT_COVERED = (
    "backups, and copies of this installation",
    "files that clients have downloaded, files at the locations of sources, and logs of servers and proxies",
    "caches of other machines",
    "old versions of objects, if the bucket keeps them, and archived logs of PostgreSQL",
    "names in free text: texts are searched for e-mail addresses and phone numbers",
)


@dataclass(slots=True, kw_only=True)
class Receipt:
    """What one erasure has done so far, over all its runs."""

    id: str
    tenant: str
    subject: str  # keyed hash of the value that was given
    by: str
    started_at: datetime
    finished_at: datetime | None = None
    values: dict[str, int] = field(default_factory=dict)  # number of values of the person, by kind
    tables: dict[str, TableFindings] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)  # of the commits, by table
    old_files: dict[str, int] = field(default_factory=dict)  # removed, by table
    artifacts: dict[str, str] = field(default_factory=dict)  # reason by job
    cancelled: list[str] = field(default_factory=list)
    records: dict[str, int] = field(default_factory=dict)

    def add_findings(self, found: Mapping[str, TableFindings]) -> None:
        """Add what a run found. A table that an earlier run has rewritten already counts with what it had then."""
        for name, new in found.items():
            earlier = self.tables.get(name)
            if earlier is None or new.changed:
                months = new.months | (earlier.months if earlier else frozenset())
                self.tables[name] = TableFindings(
                    table=name, searched=new.searched, removed=new.removed, blanked=new.blanked, months=months
                )

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as a JSON object."""
        return {
            "receipt": self.id,
            "tenant": self.tenant,
            "subject": f"hmac-sha256:{self.subject}",
            "by": self.by,
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at.isoformat() if self.finished_at else None,
            "values_followed": self.values,
            "tables": [
                {
                    "table": name,
                    "rows_searched": found.searched,
                    "rows_removed": found.removed,
                    "rows_blanked": found.blanked,
                    "months": sorted(found.months),
                    "version": self.versions.get(name),
                    "old_files_removed": self.old_files.get(name, 0),
                }
                for name, found in self.tables.items()
            ],
            "artifacts": [{"job": job, "reason": reason} for job, reason in self.artifacts.items()],
            "exports_cancelled": self.cancelled,
            "records": self.records,
            "not_covered": list(NOT_COVERED),
        }


def receipt_from_json(stored: Mapping[str, Any]) -> Receipt:
    """Return the receipt of an erasure that was interrupted."""
    listed = {each["table"]: each for each in stored["tables"]}
    return Receipt(
        id=stored["receipt"],
        tenant=stored["tenant"],
        subject=stored["subject"].partition(":")[2],
        by=stored["by"],
        started_at=datetime.fromisoformat(stored["started_at"]),
        values=dict(stored["values_followed"]),
        tables={
            name: TableFindings(
                table=name,
                searched=each["rows_searched"],
                removed=each["rows_removed"],
                blanked=each["rows_blanked"],
                months=frozenset(each["months"]),
            )
            for name, each in listed.items()
        },
        versions={name: each["version"] for name, each in listed.items() if each["version"] is not None},
        old_files={name: each["old_files_removed"] for name, each in listed.items()},
        artifacts={each["job"]: each["reason"] for each in stored["artifacts"]},
        cancelled=list(stored["exports_cancelled"]),
        records=dict(stored["records"]),
    )


def subject_hash(tenant: str, value: str, on: Services) -> str:
    """Return the keyed hash of what names a person. The key never leaves the installation."""
    with on.database.read() as connection:
        key = installation.get(connection, installation.ERASURE_KEY)
    if key is None:
        with on.database.write() as connection:
            key = installation.add(connection, installation.ERASURE_KEY, secrets.token_hex(32))
    return hmac.new(bytes.fromhex(key), f"{tenant}\0{value}".encode(), hashlib.sha256).hexdigest()
