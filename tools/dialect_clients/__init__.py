"""Clients of the server's dialects behind one interface: create, wait, download, cancel, delete, list.

They test the wire and put load on it: each method sends one request once and shows its response, and the ``build_…``
methods return requests unsent. ``offtake_client`` repeats, resumes and verifies; whatever only needs files uses it.
They are written against the vendors' documentation alone and know nothing of the server's code. One synchronous client
per dialect; each authenticates as its vendor prescribes.
"""

from __future__ import annotations

from dialect_clients.errors import (
    ClientError,
    JobFailed,
    NoFile,
    ServerBusy,
    UnexpectedResponse,
    UnsupportedOperation,
)
from dialect_clients.export_client import ExportClient
from dialect_clients.export_job import Download, Export, Job, JobState, Operation
from dialect_clients.khoros import KhorosClient
from dialect_clients.loop import LoopClient
from dialect_clients.native import NativeClient
from dialect_clients.talkdesk import TalkdeskClient

__all__ = [
    "ClientError",
    "Download",
    "Export",
    "ExportClient",
    "Job",
    "JobFailed",
    "JobState",
    "KhorosClient",
    "LoopClient",
    "NativeClient",
    "NoFile",
    "Operation",
    "ServerBusy",
    "TalkdeskClient",
    "UnexpectedResponse",
    "UnsupportedOperation",
]
