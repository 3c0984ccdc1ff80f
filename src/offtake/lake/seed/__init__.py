"""Sample data: the same plan gives the same rows, byte for byte, on any machine."""

from offtake.lake.seed.generate import seed
from offtake.lake.seed.plan import SIZES, SeedPlan

__all__ = ["SIZES", "SeedPlan", "seed"]
