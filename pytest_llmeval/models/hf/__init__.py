"""Local weights: loading, encoding, and two ways to answer (``shared`` prefixes, ``plain`` batches)."""
