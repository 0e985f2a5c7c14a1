"""养老机构 institutions: disclosure profile, buildings to beds, residency, agreements.

Not here: the legal entity and its permits (organizations), staff (workforce).
"""
