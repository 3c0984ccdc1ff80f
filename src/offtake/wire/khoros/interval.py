"""Checks ``timeInterval``, the length of a bucket (Khoros contract 5.4)."""

from __future__ import annotations

from datetime import timedelta

from offtake.errors import FieldFault, InvalidRequest
from offtake.wire.khoros.tables import INTERVALS, WEEK

_HOUR = timedelta(hours=1)
# Proposed tiers, because no single cap explains the vendor's documents: longest timespan, and its shortest interval in
# milliseconds. A local day or week is an hour longer when the clocks go back.
_TIERS = (
    (timedelta(days=1) + _HOUR, 0),
    (timedelta(days=7) + _HOUR, 28_800_000),
    (timedelta.max, 86_400_000),
)
_HYDRATION = (
    "Unable to hydrate filter for export info: com.lithium.socialweb.analytics.webapp.models.filter."
    "HydrationException: {message}"
)


class TooManyBuckets(InvalidRequest):
    """The timespan has too many buckets. Its text is the only public one: ``result`` names the vendor's own class."""

    def __init__(self, buckets: int) -> None:
        super().__init__(f"Too many buckets ({buckets}) requested. Select a larger interval?")
        self.result = _HYDRATION.format(message=self.message)


def check_interval(milliseconds: int, length: timedelta, *, tiers: bool) -> None:
    """Check that the interval is listed and, with ``tiers``, long enough for a timespan of that length.

    Raises InvalidRequest, TooManyBuckets.
    """
    if milliseconds <= WEEK and milliseconds not in INTERVALS:
        listed = ", ".join(map(str, sorted(INTERVALS)))
        fault = FieldFault("timeInterval", f"not more than {WEEK} milliseconds, and not one of {listed}")
        raise InvalidRequest("The interval is not one of those listed.", [fault])
    least = next(least for longest, least in _TIERS if length <= longest)
    if tiers and milliseconds < least:
        raise TooManyBuckets(length // timedelta(milliseconds=milliseconds) + 1)
