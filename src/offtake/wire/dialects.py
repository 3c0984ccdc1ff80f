"""The dialects that the server answers, with their routes and documents.

Settings and services need ``presentations.py`` only, and not the web framework, which takes long to import.
"""

from __future__ import annotations

from typing import Any

from offtake.wire.dialect import Dialect
from offtake.wire.khoros.dialect import KHOROS
from offtake.wire.loop.dialect import LOOP
from offtake.wire.native.dialect import NATIVE
from offtake.wire.sharing.dialect import SHARING
from offtake.wire.talkdesk.dialect import TALKDESK

# Any: each dialect is used with its own settings only.
DIALECTS: tuple[Dialect[Any], ...] = (TALKDESK, KHOROS, LOOP, NATIVE, SHARING)
