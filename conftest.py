"""For the project's own tests: pytester runs pytest in pytest."""

pytest_plugins = ["pytester"]
