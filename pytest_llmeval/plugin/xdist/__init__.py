"""Controller and workers of pytest-xdist."""
