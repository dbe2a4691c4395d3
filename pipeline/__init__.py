"""The machine learning: a table in, an immutable model bundle out. Imports nothing of `app`."""

import os

# OpenMP's threads wait by spinning unless configured otherwise before the library loads. A machine that also serves, tracks
# and shows pages has no CPU to spare for spinning: two fits next to other work took 28 and 11 s spinning, 8 and 7 s not.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Arrow's own allocator takes 1 GB in advance, which a limit on memory counts. With the system's the stages are as fast
# (process_data of 2 million rows: 15.5 s and 15.5 s), and what they are charged for is what they use.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
# From its first import on, ONNX Runtime reports models and runs to its makers and leaves an identifier of the machine in
# ~/.cache, unless this was set before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
