"""The report catalogue: folders of data that become values when the product starts.

``load.py`` reads the folders and holds them against each other, ``folder.py`` reads what a report is,
``publication.py`` how a dialect shows it, ``query.py`` checks its SQL,
``toml_reader.py`` collects faults with their lines.
"""

from __future__ import annotations

from pathlib import Path

BUILT_IN = Path(__file__).with_name("reports")
