"""Runs programs that a model wrote, without network, files or rights."""
