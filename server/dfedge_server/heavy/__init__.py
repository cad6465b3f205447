"""The heavy tier: from media or crops to one fused verdict with its evidence."""
