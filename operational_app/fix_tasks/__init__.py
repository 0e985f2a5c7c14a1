"""数据补录: what people do about records that break a quality rule, until the next refresh finds them mended.

Belongs here: fix tasks of the records' owners, their answers, waivers, reminders and escalation. Does not belong here:
which records break which rule (`expectations/`, delivered into `inbox`), the pages where a record itself is corrected.
"""
