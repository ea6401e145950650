"""With and without xdist: the daily tests run without, but for one run of each kind."""

from __future__ import annotations

import pytest

WORKERS = ("-n0", pytest.param("-n2", marks=pytest.mark.slow))
