"""The small kernel that every room shares.

Belongs here: settings and secrets, the PostgreSQL server and its logins, identifiers, divisions, geodesy,
cryptography, and the command line that drives the rooms.
Does not belong here: anything that knows one business area; that is a room of its own.
"""

__version__ = "0.1.0"
