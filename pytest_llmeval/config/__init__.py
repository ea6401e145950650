"""Options and llmeval.toml: declarations, reading, merging and checks."""
