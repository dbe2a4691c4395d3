"""Child processes, done one way: a session of their own, death with the parent, an end that reaches all they started.

A leaf: imports the standard library only (and psutil where the system has no `/proc`), so that every process may use it.
"""
