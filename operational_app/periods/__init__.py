"""期次: the life of a period from collection to the signed release, for people who need not know the pipelines.

Here: what was asked of the pipelines (tasks), submission and signature (reviews), the state of each period, its pages.
Not here: how a release is built, judged and published (`pipelines/`), what it found (`inbox`).
"""
