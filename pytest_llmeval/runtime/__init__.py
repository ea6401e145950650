"""Runs models during a session: engines, the store of answers, the judge, and replays."""
