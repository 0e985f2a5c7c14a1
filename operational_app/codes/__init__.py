"""机构码 / 床位码 / 长者码: codes on paper that name an institution, a bed or an elder; issue, history, labels, scans.

A code is a name, no key and no evidence: it opens a page for whoever may open that page anyway, it is never parsed, and
a scan never proves that somebody was there (a picture of a code scans as well as the code).

Not here: the rule of the codes' characters (huiyang.identifiers), what a code names (elders, institutions,
organizations).
"""
