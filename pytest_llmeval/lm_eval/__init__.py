"""Tasks of lm-evaluation-harness, asked and reported like any other benchmark.

The library (extra ``lm-eval``) says what is asked and what an answer is worth; how it is asked, kept and
shown is this package's. Nothing here imports it before a task is wanted, and ``tasks.py`` alone loads one.
"""
