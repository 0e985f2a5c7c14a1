"""The old platform's data into the operational database: every source row loaded, merged or quarantined with a reason.

Belongs here: readers of the old platform's files, the mappings (data, one YAML file a source table), the engine that
executes them, ledger, quarantine, duplicate elders, reconciliation; and the sample export of `sample/`.
Does not belong here: rules that hold for data entered in the app (its areas have those) and anything that runs daily.
"""
