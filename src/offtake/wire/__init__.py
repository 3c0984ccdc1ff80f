"""The dialects. A new dialect has a folder of its own and a place in ``DIALECTS``."""

from typing import Any

from offtake.wire.dialect import Dialect, Wire
from offtake.wire.khoros import KHOROS
from offtake.wire.loop import LOOP
from offtake.wire.talkdesk import TALKDESK

# Any: each dialect is used with its own settings only.
DIALECTS: tuple[Dialect[Any], ...] = (TALKDESK, KHOROS, LOOP)

__all__ = ["DIALECTS", "Dialect", "Wire"]
