"""Who did what, when, from where, with what result. Append-only. Issue 3 seals it in chained batches."""
