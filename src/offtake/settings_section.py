"""What every table of ``offtake.toml`` is: frozen options, none of them unknown.

It stands this low because each part describes its own options, in its own folder, and ``settings.py`` puts them all
together.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class SettingsSection(BaseModel):
    """Options that belong together. Each has a type, a default, bounds and a line of help."""

    model_config = ConfigDict(frozen=True, extra="forbid")
