"""The vocabulary, errors and small facts that every other folder uses."""
