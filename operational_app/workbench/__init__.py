"""工作台: where everybody starts. Applications, figures in the own scope, to-dos, the last release.

Not here: the figures' own pages; each area keeps its records.
"""
