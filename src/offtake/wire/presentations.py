"""The names of the dialects, and how each that creates exports presents reports by its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from offtake.core.presentation import Presentation
from offtake.wire.khoros.presentation import presentation as khoros
from offtake.wire.khoros.tables import NAME as KHOROS
from offtake.wire.loop.presentation import presentation as loop
from offtake.wire.loop.tables import NAME as LOOP
from offtake.wire.native.presentation import presentation as native
from offtake.wire.native.tables import NAME as NATIVE
from offtake.wire.sharing.tables import NAME as SHARING
from offtake.wire.talkdesk.presentation import presentation as talkdesk
from offtake.wire.talkdesk.tables import NAME as TALKDESK

# Any: each dialect is used with its own settings only, those of the table with its name.
PRESENTATIONS: Mapping[str, Callable[[Any], Presentation]] = {
    TALKDESK: talkdesk,
    KHOROS: khoros,
    LOOP: loop,
    NATIVE: native,
}
DIALECT_NAMES = (*PRESENTATIONS, SHARING)  # Delta Sharing creates no exports
