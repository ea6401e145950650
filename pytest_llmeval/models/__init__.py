"""Backends: implementations of the ``Model`` protocol in ``base``, one module or folder each."""
