"""What is measured, beside its denominator, in one run on one machine: `make bench` writes docs/benchmarks.md.

An absolute figure does not travel between machines, a ratio does. Nothing here asserts a time.
"""
