"""The body of every error of the dialect: problem details (RFC 9457)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ProblemError(BaseModel):
    """One fault of a request."""

    pointer: Annotated[
        str | None, Field(description="JSON pointer (RFC 6901) of the faulty value in the body; empty for the body.")
    ] = None
    parameter: Annotated[
        str | None, Field(description="Name of the faulty path parameter, query parameter or header.")
    ] = None
    message: Annotated[str, Field(description="What is wrong, and what to do about it.")]
    accepted: Annotated[
        list[str] | None, Field(description="The values or names that would be accepted, if they can be listed.")
    ] = None
    nearest: Annotated[str | None, Field(description="The accepted value that is most similar to the sent one.")] = None


class FreeableExport(BaseModel):
    """An export whose deletion frees a part of the budget."""

    export: str
    dialect: Annotated[str, Field(description="The API that created it.")]
    report: str
    files: int
    bytes: int
    rows: int
    delete: Annotated[
        str | None, Field(description="The request that deletes its files; none if another API created the export.")
    ] = None


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    model_config = ConfigDict(title="Problem")

    type: Annotated[str, Field(description="A URI of the kind of problem: urn:offtake:problem: and the code.")]
    title: Annotated[str, Field(description="The kind of problem in words.")]
    status: Annotated[int, Field(description="The HTTP status.")]
    code: Annotated[str, Field(description="The kind of problem, for programs. It never changes.")]
    detail: Annotated[str, Field(description="What is wrong in this case, and what to do about it.")]
    request: Annotated[str, Field(description="The id of the request, as in X-Request-Id and the server's log.")]
    frees: Annotated[
        list[FreeableExport] | None,
        Field(description="If the storage budget is exhausted: the exports of the caller that keep the most."),
    ] = None
    errors: Annotated[list[ProblemError], Field(description="The single faults, if the problem is with the request.")]
