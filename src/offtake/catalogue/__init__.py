"""The report catalogue: folders of files that are loaded once, when a process starts.

``load.py`` reads the folders and checks them against each other, ``folder.py`` reads the definition of a report,
``publication.py`` its presentation in a dialect, and ``query.py`` checks its SQL.
"""

from __future__ import annotations

from pathlib import Path

BUILT_IN = Path(__file__).with_name("reports")
