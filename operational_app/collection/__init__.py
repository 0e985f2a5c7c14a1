"""数据采集 collection campaigns: half-yearly base data, monthly operating data, of institutions and facilities.

Here: what is asked (`forms`, the one definition), which values are plausible (`rules`), who has filed what and how far
it is. Not here: an institution's own records, beds and residents (institutions), facilities themselves (facilities).
"""
