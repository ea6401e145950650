"""Read answers from completions and score them."""
