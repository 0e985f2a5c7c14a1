"""What every business area shares: declarative base, codes with Chinese labels, change log, row-level security.

Does not belong here: anything that names one area's table.
"""
