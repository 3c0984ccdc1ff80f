"""The shape of a create request (section 2.2). Unknown keys are ignored, ``Name`` among them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

LONGEST_NAME = 255  # proposed: characters of a job's label


class TimespanBody(BaseModel):
    """``from`` is inclusive, ``to`` exclusive; datetimes are kept as text, their spellings are the codec's matter."""

    model_config = ConfigDict(strict=True, extra="ignore")

    start: Annotated[str, Field(alias="from")]
    end: Annotated[str, Field(alias="to")]
    timezone: str | None = None


class CreateBody(BaseModel):
    """The body of a create request."""

    model_config = ConfigDict(strict=True, extra="ignore")

    name: Annotated[str | None, Field(max_length=LONGEST_NAME)] = None
    timezone: str | None = None
    format: str | None = None
    timespan: TimespanBody
