"""The results of a run: records, counts, and the files that store them."""
