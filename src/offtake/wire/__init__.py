"""The dialects. To add one, create its folder and add it to ``DIALECTS``."""

from collections.abc import Callable, Mapping
from typing import Any

from offtake.core.presentation import Presentation
from offtake.wire.dialect import Dialect, Wire
from offtake.wire.khoros import KHOROS
from offtake.wire.loop import LOOP
from offtake.wire.native import NATIVE
from offtake.wire.sharing import SHARING
from offtake.wire.talkdesk import TALKDESK

# Any: each dialect is used with its own settings only.
DIALECTS: tuple[Dialect[Any], ...] = (TALKDESK, KHOROS, LOOP, NATIVE, SHARING)
# Of the dialects that create exports.
PRESENTATIONS: Mapping[str, Callable[[Any], Presentation]] = {
    dialect.name: dialect.presentation for dialect in DIALECTS if dialect.presentation is not None
}

__all__ = ["DIALECTS", "PRESENTATIONS", "Dialect", "Wire"]
