"""What servers and workers log of themselves when they start."""

from __future__ import annotations

import os

from offtake import __version__
from offtake.core.services import Services
from offtake.home import Home
from offtake.settings import Settings


def process_facts(home: Home, settings: Settings, services: Services) -> dict[str, object]:
    """Return what an operator wants to know of a process that starts; URLs have no passwords."""
    return {
        "version": __version__,
        "process": os.getpid(),
        "home": str(home.root.absolute()),
        "state": services.database.url.get_backend_name(),
        "lake": settings.lake_url or "home",
        "artifacts": settings.artifacts_url or "home",
        "executor": settings.executor,
    }
