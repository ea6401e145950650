"""Compare mathematical answers: LaTeX in several spellings, numbers, intervals, sets, matrices, words.

``latex`` turns a text into tokens of one spelling, ``formulas`` finds its structure, ``exact`` computes
rational numbers, ``units`` reads units of measurement, and ``comparison`` decides. What these cannot decide
goes to ``prover``, which asks math-verify in a process of its own (``worker``) within a time limit.
"""
