"""能力评估 by GB/T 42195-2022: the 26 items, the level and why. Not here: what follows from a level elsewhere."""
