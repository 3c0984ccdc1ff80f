"""Erase a person from a tenant.

The person's values, which the rows lead to, are recorded before the first row changes, so that an erasure that was
killed finds the same rows again. They are removed from the record before the state database is rewritten. Each part can
be repeated: new exports read the erased versions from the commits on, then the exports that read older ones end, then
the artifacts and the files of old versions go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from offtake.core.admin.erasure.artifacts import AffectedArtifact, affected_artifacts, delete_artifact
from offtake.core.admin.erasure.receipt import Receipt, receipt_from_json, subject_hash
from offtake.core.admin.erasure.running_exports import end_readers
from offtake.core.admin.identity import get_tenant
from offtake.core.exports import retention
from offtake.core.loads.running import require_no_running_load
from offtake.core.services import Services
from offtake.errors import JobStateConflict, StorageUnavailable, UnknownName
from offtake.lake.erasure.rewrite import drop_tombstones, remove_old_files, rewrite
from offtake.lake.erasure.search import SubjectSearch, TableFindings
from offtake.lake.staging import staging
from offtake.lake.tables import tables
from offtake.model.audit import AuditEntry
from offtake.model.data_subject import PERSON_IDS, DataSubject, parse_subject, subject_from_json
from offtake.model.job import SHARED_TABLE
from offtake.store import audit, deleted_bytes, erasures, subject_records
from offtake.store.erasures import StoredErasure

_SHORTEST_PHONE = 5  # digits
Progress = Callable[[str], None]  # gets what is done now


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureOptions:
    """How an erasure treats exports that read the rows as they were before."""

    dry_run: bool = False
    cancel_running: bool = False
    wait: timedelta = timedelta(minutes=10)


def erase(
    tenant: str,
    person: str,
    operator: str,
    on: Services,
    *,
    options: ErasureOptions,
    progress: Progress = lambda what: None,
) -> Receipt:
    """Erase the person whom an e-mail address, a phone number or an id names, and return the receipt.

    Raises UnknownName for an unknown tenant or id; ValueError for a value that names no person; JobStateConflict if an
    affected export is on hold, or while exports read the rows as they were before; StorageUnavailable, Unavailable.
    After an error, the erasure can be repeated.
    """
    get_tenant(tenant, on)
    require_no_running_load(tenant, on)
    on.lake.sweep_staging()
    with staging(on.lake.storage.staging) as area:
        progress("search")
        name, given = _resolve(tenant, person, SubjectSearch(area, on.lake, tenant=tenant, subject=DataSubject()))
        receipt, recorded = _open(tenant, subject_hash(tenant, name, on), operator, on)
        search = SubjectSearch(area, on.lake, tenant=tenant, subject=given.united(recorded or DataSubject()))
        run = _Run(tenant, operator, on, receipt, search, search.follow(), options, progress)
        run.find()
        if not options.dry_run:
            run.record(is_new=recorded is None)
            run.erase()
    return receipt


def _resolve(tenant: str, person: str, search: SubjectSearch) -> tuple[str, DataSubject]:
    """Return the name of the person, as it is hashed, and the value. Raises UnknownName, ValueError."""
    subject = parse_subject(person)
    if subject is None:
        identifiers = search.identifiers_of(person.strip())
        if not identifiers:
            listed = ", ".join(f"{identifier}:{person.strip()}" for identifier in PERSON_IDS)
            raise UnknownName(
                f"No row of tenant {tenant} has this id of a person. If an erasure was interrupted, say what the id "
                f"identifies: {listed}.{_hint(person)}"
            )
        if len(identifiers) > 1:
            listed = ", ".join(f"{identifier}:ID" for identifier in identifiers)
            raise ValueError(f"the id is that of several persons; write one of {listed}")
        subject = DataSubject(ids={identifiers[0]: frozenset({person.strip()})})
    ((identifier, value),) = subject.values()
    return f"{identifier}:{value}", subject


def _hint(person: str) -> str:
    """Return how to write what may be a phone number without its country code."""
    looks_like_a_number = re.fullmatch(r"[0-9\s().\-/]+", person) and sum(map(str.isdigit, person)) > _SHORTEST_PHONE
    return " If it is a phone number, write it with its country code, as +420…" if looks_like_a_number else ""


def _open(tenant: str, subject: str, operator: str, on: Services) -> tuple[Receipt, DataSubject | None]:
    """Return the receipt of an erasure that was interrupted with the values that it had found, or a new receipt."""
    with on.database.read() as connection:
        stored = erasures.unfinished(connection, tenant, [subject])
    if stored is None:
        return Receipt(id=on.new_id(), tenant=tenant, subject=subject, by=operator, started_at=on.clock()), None
    found = DataSubject() if stored.found is None else subject_from_json(stored.found)
    return receipt_from_json(stored.receipt), found


@dataclass(slots=True)
class _Run:
    """One run of an erasure."""

    tenant: str
    operator: str
    on: Services
    receipt: Receipt
    search: SubjectSearch
    subject: DataSubject
    options: ErasureOptions
    progress: Progress

    def find(self) -> None:
        """Add to the receipt what is to be erased. Raises JobStateConflict if an affected export is on hold."""
        found = self._count()
        self.receipt.add_findings(found)
        self.receipt.values = self.subject.counts()
        self.progress("artifacts")
        affected = list(affected_artifacts(self.tenant, self.subject, self.receipt.tables, self.on))
        held = [each.job.id for each in affected if each.job.held_at and each.job.held_by != SHARED_TABLE]
        if held:
            raise JobStateConflict(
                f"{len(held)} exports that may hold the person are on hold, such as {held[0]}; release them first "
                "with: offtake jobs release ID"
            )
        self.receipt.artifacts |= {each.job.id: each.reason for each in affected}

    def record(self, *, is_new: bool) -> None:
        """Record the person's values before anything is erased."""
        receipt = self.receipt
        with self.on.database.write() as connection:
            if is_new:
                new = StoredErasure(
                    id=receipt.id,
                    subject=receipt.subject,
                    started_at=receipt.started_at,
                    found=self.subject.to_json(),
                    receipt=receipt.to_json(),
                )
                erasures.start(connection, new, tenant=self.tenant)
            else:
                self._save(connection)
            audit.record(connection, self._entry("erase.start"), now=self.on.clock())

    def erase(self) -> None:
        """Erase in an order in which a repetition finds what a killed run has left."""
        self._rewrite_tables()
        options = self.options
        self.receipt.cancelled += end_readers(
            self.tenant,
            self.operator,
            self.on,
            wait=options.wait,
            cancel=options.cancel_running,
            progress=self.progress,
        )
        self._delete_artifacts()
        self._remove_old_files()
        self._verify()
        self.progress("state database")
        with self.on.database.write() as connection:
            for table, count in subject_records.scrub(connection, self.tenant, self.subject).items():
                self.receipt.records[table] = self.receipt.records.get(table, 0) + count
            erasures.record(connection, self.receipt.id, found=None, receipt=self.receipt.to_json())
        deleted_bytes.overwrite(self.on.database)
        with self.on.database.write() as connection:
            self.receipt.finished_at = self.on.clock()
            erasures.finish(connection, self.receipt.id, receipt=self.receipt.to_json(), now=self.receipt.finished_at)
            audit.record(connection, self._entry("erase.finish"), now=self.on.clock())

    def _rewrite_tables(self) -> None:
        for name, found in self._count().items():
            if found.changed:
                self.progress(f"table {name}")
                version = rewrite(self.search, tables()[name])
                if version is not None:
                    self.receipt.versions[name] = version
                self._save_now()

    def _delete_artifacts(self) -> None:
        self.progress("artifacts")
        for each in affected_artifacts(self.tenant, self.subject, self.receipt.tables, self.on):
            self._delete(each)
        retention.sweep(self.on)
        self._save_now()

    def _delete(self, each: AffectedArtifact) -> None:
        self.receipt.artifacts[each.job.id] = each.reason
        if not delete_artifact(each.job, self.operator, self.on):
            raise JobStateConflict(
                f"The export {each.job.id} was put on hold meanwhile. Release it with: offtake jobs release "
                f"{each.job.id}, and repeat the command."
            )

    def _remove_old_files(self) -> None:
        self.progress("old files")
        for name, table in tables().items():
            drop_tombstones(self.search, table)
            removed = remove_old_files(self.on.lake, table, tenant=self.tenant)
            if removed:
                self.receipt.old_files[name] = self.receipt.old_files.get(name, 0) + removed
        self._save_now()

    def _verify(self) -> None:
        """Search again. Raises StorageUnavailable if rows of the person were loaded meanwhile."""
        self.progress("verification")
        left = [name for name, found in self._count().items() if found.changed]
        if left:
            raise StorageUnavailable(
                f"Rows of the person were loaded into {', '.join(left)} meanwhile. Stop these loads and repeat the "
                "command."
            )

    def _count(self) -> Mapping[str, TableFindings]:
        return {name: self.search.count(table) for name, table in tables().items()}

    def _save_now(self) -> None:
        with self.on.database.write() as connection:
            self._save(connection)

    def _save(self, connection: Connection) -> None:
        erasures.record(connection, self.receipt.id, found=self.subject.to_json(), receipt=self.receipt.to_json())

    def _entry(self, operation: str) -> AuditEntry:
        return AuditEntry(
            operation=operation, dialect="operator", tenant=self.tenant, principal=None, actor=self.operator
        )
