"""What an operation needs of a dialect, and the values that all dialects share."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from offtake_client.credentials import Kinds
from offtake_client.documents import OPEN_STATES
from offtake_client.effects import Flow, Request, Response
from offtake_client.errors import InternalError, Refusal, UnknownOption
from offtake_client.session import Session

T = TypeVar("T")


@dataclass(frozen=True)
class JobRequest:
    """What a job exports. ``report``, ``format`` and ``options`` are words of the dialect; start and end are in UTC."""

    report: str
    format: str
    start: datetime
    end: datetime
    timezone: str = "UTC"
    options: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self, dialect: str) -> dict[str, Any]:
        """Return the request as the record of it has it."""
        return {**asdict(self), "dialect": dialect, "start": self.start.isoformat(), "end": self.end.isoformat()}

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> JobRequest:
        """Return the request of a record."""
        given = {name: item for name, item in value.items() if name != "dialect"}
        bounds = {name: datetime.fromisoformat(given[name]) for name in ("start", "end")}
        return cls(**{**given, **bounds})


@dataclass(frozen=True)
class JobInfo:
    """A job, as the server answered last. ``report``, ``format`` and ``name`` are "" if the dialect omits them.

    ``state`` is queued, running, uploading, succeeded, failed, cancelled, deleted or expired.
    """

    id: str
    state: str
    report: str = ""
    format: str = ""
    name: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the job has not ended."""
        return self.state in OPEN_STATES


@dataclass(frozen=True)
class JobPage:
    """A page of jobs, newest first; ``next`` is where the next one is."""

    jobs: tuple[JobInfo, ...]
    next: str | None = None


class Dialect(ABC):
    """A dialect with one credential at one server."""

    name: ClassVar[str]
    credentials: ClassVar[Kinds]
    default_format: ClassVar[str]
    creates_once: ClassVar[bool] = (
        True  # a request that is sent again does not create another job (of Loop: at Offtake)
    )
    longest_pause: ClassVar[float] = 10.0  # seconds between two readings of an open job

    def __init__(self, session: Session) -> None:
        self.session = session

    @property
    def server(self) -> str:
        """The server and the dialect, as the records of requests name them."""
        return f"{self.name} at {self.session.url}"

    @abstractmethod
    def create_request(self, request: JobRequest, key: str) -> Request:
        """Return the request that creates a job. ``key`` identifies it, where the dialect has a place for that."""

    @abstractmethod
    def created(self, request: JobRequest, response: Response) -> JobInfo:
        """Return the job that was created."""

    @abstractmethod
    def read(self, job: str) -> Flow[JobInfo]:
        """Read a job. Raises NotFound."""

    @abstractmethod
    def link(self, job: str) -> Flow[str]:
        """Return a new link to the file of a job, which needs no credential. Raises NotFound, Gone."""

    @abstractmethod
    def check(self) -> Flow[None]:
        """Send a request that changes nothing, to check the credential. Raises NotAuthenticated, NotPermitted."""

    def find(self, request: JobRequest, key: str) -> Flow[JobInfo | None]:
        """Return the job that was created with a key, if the dialect's list of jobs can tell."""
        yield from ()
        return None

    def page(self, report: str | None, cursor: str | None) -> Flow[JobPage]:
        """Return a page of the jobs of a report. Raises UnknownOption if the dialect has no list."""
        raise UnknownOption(f"{self.name} has no list of jobs.", "Name the job: offtake-client watch ID.")

    def cancel(self, job: str) -> Flow[None]:
        """End a job. Raises UnknownOption if the dialect cannot."""
        raise UnknownOption(f"{self.name} cannot cancel a job.", "It ends by itself.")

    def request(self, method: str, path: str, **members: Any) -> Request:
        """Return a request below the address of the server, without authorization."""
        return Request(
            method, f"{self.session.url}{path}", {"accept": "application/json", **members.pop("headers", {})}, **members
        )

    def decoded(self, response: Response, read: Callable[[Any], T]) -> T:
        """Return what ``read`` finds in the body of a response. Raises InternalError if it is of another shape."""
        try:
            return read(json.loads(response.content))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            detail = f"{self.session.url} does not answer as {self.name} does ({type(error).__name__}: {error})."
            raise InternalError(Refusal(response.status, "not_the_dialect", detail)) from error


def split_id(job: str, form: str) -> tuple[str, str]:
    """Return the two parts of a job's id. Raises UnknownOption."""
    first, slash, second = job.partition("/")
    if not first or not slash or not second or "/" in second:
        raise UnknownOption(f"{job!r} is no id of a job.", f"An id is {form}.")
    return first, second
