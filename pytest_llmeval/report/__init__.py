"""Show results: counts and averages, the terminal's tables, the files of a run's folder."""
