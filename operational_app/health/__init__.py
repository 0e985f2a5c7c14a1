"""Measured vital signs. Not here: conclusions drawn from them."""
