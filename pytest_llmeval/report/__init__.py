"""Rendering of results: tables for the terminal, the files of a run's folder, the page, charts and badge."""
