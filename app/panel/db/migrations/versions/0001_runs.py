"""Runs, their attempts and events, and the schedule."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ACTIVE = "state IN ('cancelling', 'queued', 'retrying', 'running')"


def upgrade() -> None:
    """Create the tables; the database itself enforces one active run, and that what is final stays final."""
    op.create_table(
        "run",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("number", sa.Integer(), nullable=False, unique=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("trigger", sa.String(), nullable=False),
        sa.Column("from_stage", sa.String(), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("force", sa.Boolean(), nullable=False),
        sa.Column("parent_id", sa.String()),
        sa.Column("idempotency_key", sa.String(), unique=True),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("started_at", sa.DateTime()),
        sa.Column("finished_at", sa.DateTime()),
        sa.Column("duration_s", sa.Float()),
        sa.Column("stage", sa.String()),
        sa.Column("n_failures", sa.Integer(), nullable=False),
        sa.Column("retry_at", sa.DateTime()),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("error", sa.JSON()),
        sa.Column("verdict", sa.JSON()),
        sa.Column("metrics", sa.JSON()),
        sa.Column("model_version", sa.Integer()),
        sa.Column("deployed", sa.Boolean(), nullable=False),
        sa.Column("data_digest", sa.String()),
        sa.Column("params_digest", sa.String()),
        sa.Column("code_digest", sa.String()),
        sa.Column("mlflow_run_id", sa.String()),
        sa.Column("n_warnings", sa.Integer(), nullable=False),
        sa.Column("n_errors", sa.Integer(), nullable=False),
    )
    op.create_index("ux_run_active", "run", [sa.text("(1)")], unique=True, sqlite_where=sa.text(ACTIVE))
    op.create_index("ix_run_state", "run", ["state", "number"])
    op.create_index("ix_run_state_trigger", "run", ["state", "trigger", "number"])
    op.create_index("ix_run_model_version", "run", ["model_version"])
    op.create_index("ix_run_trigger", "run", ["trigger", "number"])
    op.create_index("ix_run_parent_id", "run", ["parent_id"])
    op.execute(
        "CREATE TRIGGER run_final_is_final BEFORE UPDATE OF state ON run "
        f"WHEN NOT (OLD.{ACTIVE}) AND NEW.state IS NOT OLD.state "
        "BEGIN SELECT RAISE(ABORT, 'a run that has ended does not change its state'); END"
    )
    op.create_table(
        "stage_attempt",
        sa.Column("run_id", sa.String(), sa.ForeignKey("run.id"), primary_key=True),
        sa.Column("stage", sa.String(), primary_key=True),
        sa.Column("attempt", sa.Integer(), primary_key=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime()),
        sa.Column("duration_s", sa.Float()),
        sa.Column("compute_s", sa.Float()),
        sa.Column("error", sa.JSON()),
    )
    op.create_table(
        "run_event",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("run_id", sa.String(), sa.ForeignKey("run.id"), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("old", sa.String()),
        sa.Column("new", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
    )
    op.create_index("ix_run_event_run_id", "run_event", ["run_id"])
    op.create_table(
        "schedule",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("interval_s", sa.Integer()),
        sa.Column("armed", sa.Boolean(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("paused_by", sa.String()),
        sa.Column("paused_at", sa.DateTime()),
        sa.Column("next_due_at", sa.DateTime()),
    )
