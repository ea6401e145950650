"""What a run found: records, counts, and the files that hold them."""
