"""The machine learning: a table in, an immutable model bundle out. Imports nothing of `app`."""

import os

# OpenMP's threads wait by spinning unless configured otherwise before the library loads. A machine that also serves, tracks
# and shows pages has no CPU to spare for spinning: two fits next to other work took 28 and 11 s spinning, 8 and 7 s not.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
