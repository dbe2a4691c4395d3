"""Child processes, done one way: a session of their own, an end that reaches all they started, and death with the parent.

What is to outlive its parent says so; the next one finds it by its identity, and all that it left by a mark.

A leaf: imports the standard library only (and psutil where the system has no `/proc`), so that every process may use it.
"""
