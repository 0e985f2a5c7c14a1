"""Reference data that every area reads: divisions, reporting units, census. Not here: anything a user edits daily."""
