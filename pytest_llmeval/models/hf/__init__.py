"""Local weights with transformers: one engine that shares prompt prefixes, one with plain batches."""
