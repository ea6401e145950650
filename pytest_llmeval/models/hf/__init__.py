"""Local weights with transformers: an engine that shares prompt prefixes, and one with plain batches.

Torch is imported by modules of this package only, after the settings below, which it reads once. By default
its threads spin while they wait for each other, which takes the processor from other processes.
"""

import os

for _name, _value in (("OMP_WAIT_POLICY", "PASSIVE"), ("GOMP_SPINCOUNT", "0")):
    os.environ.setdefault(_name, _value)
