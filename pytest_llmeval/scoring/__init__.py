"""From a completion's text to an answer and its score."""
