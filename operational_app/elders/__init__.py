"""Elders on file (老人档案): who they are, where they live, guardians, medical history, economic status, merges.

Not here: assessments, residency, family beds, orders; each is an area of its own that refers to an elder.
"""
