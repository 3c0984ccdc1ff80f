"""Client of the Offtake export server.

>>> from offtake_client import Offtake
>>> ot = Offtake("https://exports.example.com", token="…")
>>> export = ot.export("calls", last="7d", target="calls")
>>> export.download()
"""

from __future__ import annotations

from offtake_client.client import AsyncExport, AsyncOfftake, Export, Offtake
from offtake_client.dialect_client import AsyncDialectClient, AsyncDialectJob, DialectClient, DialectJob
from offtake_client.documents import (
    Column,
    ExportInfo,
    Limits,
    Manifest,
    ManifestFile,
    Preview,
    Report,
    ReportSummary,
    Update,
    Usage,
)
from offtake_client.download.export_files import DownloadProgress
from offtake_client.download.verify import Verification, verify
from offtake_client.errors import OfftakeError
from offtake_client.session import VERSION

__version__ = VERSION
__all__ = [
    "AsyncDialectClient",
    "AsyncDialectJob",
    "AsyncExport",
    "AsyncOfftake",
    "Column",
    "DialectClient",
    "DialectJob",
    "DownloadProgress",
    "Export",
    "ExportInfo",
    "Limits",
    "Manifest",
    "ManifestFile",
    "Offtake",
    "OfftakeError",
    "Preview",
    "Report",
    "ReportSummary",
    "Update",
    "Usage",
    "Verification",
    "__version__",
    "verify",
]
