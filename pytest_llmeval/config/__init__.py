"""Options and llmeval.toml: declared once, read, merged and checked."""
