"""Sample data: the same plan makes the same rows, to the byte, on any machine."""

from offtake.lake.seed.generate import seed
from offtake.lake.seed.plan import SIZES, SeedPlan

__all__ = ["SIZES", "SeedPlan", "seed"]
