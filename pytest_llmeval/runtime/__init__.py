"""Models at work in one session: engines, stored answers, judge, replay."""
