"""规则目录: the quality rules in force, what changed in them, and who approved it."""
