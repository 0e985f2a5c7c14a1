"""Devices in homes, whom they watch, the alarms they raise. Not here: measured values (health)."""
