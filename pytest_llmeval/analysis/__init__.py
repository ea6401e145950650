"""Statistics and decisions as pure functions: intervals, comparisons, gates."""
