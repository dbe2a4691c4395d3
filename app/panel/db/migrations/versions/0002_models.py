"""Model versions, deployments, and the records for MLflow."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables; at most one deployment is under way."""
    op.create_table(
        "model_version",
        sa.Column("version", sa.Integer(), primary_key=True),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("bundle", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("task", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("estimator", sa.String(), nullable=False),
        sa.Column("primary_metric", sa.String(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("model_bytes", sa.Integer(), nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("is_held", sa.Boolean(), nullable=False),
        sa.Column("pruned_at", sa.DateTime()),
    )
    op.create_index("ix_model_version_run_id", "model_version", ["run_id"])
    op.create_index("ix_model_version_digest", "model_version", ["digest"])
    op.create_table(
        "deployment",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("from_version", sa.Integer()),
        sa.Column("from_bundle", sa.String()),
        sa.Column("to_version", sa.Integer()),
        sa.Column("to_bundle", sa.String()),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("run_id", sa.String()),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime()),
        sa.Column("duration_s", sa.Float()),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("verdict", sa.JSON()),
    )
    op.create_index("ix_deployment_run_id", "deployment", ["run_id"])
    op.create_index("ix_deployment_outcome", "deployment", ["outcome"])
    op.create_index(
        "ux_deployment_pending",
        "deployment",
        [sa.text("(1)")],
        unique=True,
        sqlite_where=sa.text("outcome = 'pending'"),
    )
    op.create_table(
        "tracking_record",
        sa.Column("run_id", sa.String(), primary_key=True),
        sa.Column("folder", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("n_tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(), nullable=False),
        sa.Column("delivered_at", sa.DateTime()),
        sa.Column("mlflow_run_id", sa.String()),
        sa.Column("mlflow_version", sa.String()),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("gave_up", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_tracking_record_next_try_at", "tracking_record", ["next_try_at"])
