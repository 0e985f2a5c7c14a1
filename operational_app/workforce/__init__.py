"""People who work with elders: institution staff and home-visit care workers, with certificates.

Not here: accounts (identity); a worker may have one, or none.
"""
