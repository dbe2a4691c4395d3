"""Preloaded into the forkserver last: from here on it notices itself that the panel is gone, and ends what is left first."""

from app.panel.runs.stage_process import subreaper
from app.processes.exec_shim import outlive_parent

if subreaper.server_pid is not None:
    outlive_parent()
