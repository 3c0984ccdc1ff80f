"""The version of a report: a checksum of everything that defines its rows and their meaning."""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import sha256

from offtake.catalogue.macros import MACROS
from offtake.model.report import Report


def report_version(report: Report) -> str:
    """Return the SHA-256 of the report's definition and of the macros that its SQL may use, in lower-case hex.

    It changes with every change of ``report.toml``, of the SQL or of the macros, also with one that leaves the rows as
    they are.
    """
    definition = asdict(report)
    del definition["version"]
    text = json.dumps([definition, MACROS], sort_keys=True, ensure_ascii=True)
    return sha256(text.encode()).hexdigest()
