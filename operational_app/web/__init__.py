"""What all pages share: sessions with a scope, the gate in front of every page, look, lists, formats.

Does not belong here: what one area shows (that area's `pages.py` and `views.py`) and who may do what (`identity`).
"""
