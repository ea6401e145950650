"""Run programs that a model wrote, without network, files or privileges."""
