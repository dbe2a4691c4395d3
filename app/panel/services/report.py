"""The preflight checks as lines of text, for the log and the terminal. Pure."""

from app.panel.services.views import PreflightView


def preflight_table(view: PreflightView) -> str:
    """Return one line per check: state, name, message; below what is not ok, its id, what to do and the command."""
    width = max((len(check.name) for check in view.checks), default=0)
    lines = []
    for check in view.checks:
        lines.append(f"  {check.state:<7}  {check.name:<{width}}  {check.message}")
        if check.state != "ok":
            lines += [f"  {'':<7}  {'':<{width}}  {part}" for part in (check.why, check.fix) if part]
            lines.append(
                f"  {'':<7}  {check.id:<{width}}  $ {check.command}" if check.command else f"           {check.id}"
            )
    return "\n".join(["Preflight checks:", *lines])
