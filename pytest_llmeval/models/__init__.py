"""Backends: one file each, behind the ``Model`` protocol of ``base``."""
