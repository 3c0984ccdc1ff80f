"""The dialects. To add one, create its folder and add it to ``DIALECTS``."""

from typing import Any

from offtake.wire.dialect import Dialect, Wire
from offtake.wire.khoros import KHOROS
from offtake.wire.loop import LOOP
from offtake.wire.native import NATIVE
from offtake.wire.talkdesk import TALKDESK

# Any: each dialect is used with its own settings only.
DIALECTS: tuple[Dialect[Any], ...] = (TALKDESK, KHOROS, LOOP, NATIVE)

__all__ = ["DIALECTS", "Dialect", "Wire"]
