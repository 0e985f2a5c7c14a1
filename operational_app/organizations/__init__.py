"""Market entities and public bodies that serve elders: who they are, what they may do, until when.

Not here: an institution's beds and disclosure fields (institutions), people who work there (workforce).
"""
