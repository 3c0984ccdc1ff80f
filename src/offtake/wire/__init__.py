"""The wire languages. To add one, write its folder and name it here."""

from typing import Any

from offtake.wire.dialect import Dialect, Wire
from offtake.wire.khoros import KHOROS
from offtake.wire.loop import LOOP
from offtake.wire.talkdesk import TALKDESK

# Of any settings: each is used with its own only.
DIALECTS: tuple[Dialect[Any], ...] = (TALKDESK, KHOROS, LOOP)

__all__ = ["DIALECTS", "Dialect", "Wire"]
