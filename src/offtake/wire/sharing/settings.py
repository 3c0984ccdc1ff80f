"""Options of the dialect and the limits that the core derives from them."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from offtake.core.policy import DialectLimits
from offtake.wire.dialect_settings import DialectOptions, LinkSeconds, PerMinute, per_minute


class SharingSettings(DialectOptions):
    """Delta Sharing, under /delta-sharing."""

    link_seconds: LinkSeconds = 3600
    presigned: bool = Field(
        False,
        description="Link to the object storage itself (presigned URLs) where artifacts_url is a bucket, so that files "
        "do not pass through the server. Such a link works until it expires, also if its credential is revoked.",
    )
    requests_per_minute: PerMinute | None = Field(
        600, description="Requests of one credential per minute, without downloads; unset, there is no limit."
    )

    def limits(self) -> DialectLimits:
        """The life of links and the rate. The dialect creates no exports."""
        return DialectLimits(
            open_jobs=0,
            longest_timespan=None,
            rows=None,
            retention=timedelta(0),
            link_life=timedelta(seconds=self.link_seconds),
            token_life=timedelta(0),
            rate=None if self.requests_per_minute is None else per_minute(self.requests_per_minute),
        )
