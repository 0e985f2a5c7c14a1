"""Who did what, when, from where, with what result: recorded with each act, sealed afterwards, verified, kept.

Here: the events and what may be recorded (`service`), their canonical form and chain (`canonical`, pure), the process
that seals them (`sealing`), the second medium (`heads`), checking (`verification`), removal of what is old enough
(`retention`), the audit administrator's pages. Not here: what a page records; that stands where the act is.
docs/adr/0005-audit-seal.md says why it is so.
"""
