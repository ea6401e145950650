"""Local weights with transformers: an engine that shares prompt prefixes, and one with plain batches."""
