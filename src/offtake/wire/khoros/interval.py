"""``timeInterval`` (Khoros contract 5.4): which buckets a timespan may be cut into."""

from __future__ import annotations

from datetime import timedelta

from offtake.errors import FieldFault, InvalidRequest
from offtake.wire.khoros.tables import INTERVALS, WEEK

_HOUR = timedelta(hours=1)
# Proposed tiers, because no single cap explains the vendor's documents: up to this long, intervals from that many
# milliseconds on. A local day or week has an hour more where clocks go back.
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
    """The only error whose text is public: the answer's ``result`` names the vendor's own class."""

    def __init__(self, buckets: int) -> None:
        super().__init__(f"Too many buckets ({buckets}) requested. Select a larger interval?")
        self.result = _HYDRATION.format(message=self.message)


def check_interval(milliseconds: int, length: timedelta, *, tiers: bool) -> None:
    """Refuse what is no interval, and, with ``tiers``, one that is too fine for a timespan of that length.

    Raises InvalidRequest, TooManyBuckets.
    """
    if milliseconds <= WEEK and milliseconds not in INTERVALS:
        fault = FieldFault("timeInterval", "not one of the intervals from 300000 to 604800000, nor above")
        raise InvalidRequest("The interval is not one of those listed.", [fault])
    least = next(least for longest, least in _TIERS if length <= longest)
    if tiers and milliseconds < least:
        raise TooManyBuckets(length // timedelta(milliseconds=milliseconds) + 1)
