"""The wire languages. To add one, write its folder and name it here."""

from offtake.wire.dialect import Dialect, Wire
from offtake.wire.talkdesk import TALKDESK

DIALECTS: tuple[Dialect, ...] = (TALKDESK,)

__all__ = ["DIALECTS", "Dialect", "Wire"]
