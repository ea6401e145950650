"""Tasks of lm-evaluation-harness, run and reported like any other benchmark.

The library (extra ``lm-eval``) builds the requests and grades the answers; this package sends, stores and
reports them. The library is imported when a task is first needed, and only ``tasks.py`` loads tasks.
"""
