"""Accounts, roles, scopes and sessions. Not here: what a role may do with one area's records (that area says so)."""
