"""Base class of the tables of ``offtake.toml``: frozen, and unknown options are refused.

It is in the lowest layer because every room defines its own options and ``settings.py`` assembles them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# A duration, at most a year: operating systems and databases refuse much longer ones when they are used.
Seconds = Annotated[float, Field(le=31_556_952)]


class SettingsSection(BaseModel):
    """One table of options. Each option has a type, a default, bounds and a line of help."""

    model_config = ConfigDict(frozen=True, extra="forbid")
