"""The keys that sign download links: one signs, and at most one other is still, or already, accepted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A secret of 32 random bytes. Its public id is derived from it by a hash."""

    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """``K`` and 13 hexadecimal digits, which links may show."""
        return "K" + hashlib.sha256(b"name of\n" + self.secret).hexdigest()[:13].upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeys:
    """The keys in force."""

    current: SigningKey  # signs new links
    other: SigningKey | None = None  # only verifies: the previous key, or one that is prepared on all machines

    @property
    def accepted(self) -> tuple[SigningKey, ...]:
        """The keys that verify links, the current one first."""
        return (self.current,) if self.other is None else (self.current, self.other)
