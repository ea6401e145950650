"""From a benchmark's files to questions and requests."""
