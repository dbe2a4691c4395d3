"""The table of records that MLflow is to get. Written by `store.py` alone."""

from datetime import datetime

from sqlmodel import Field, SQLModel


class TrackingRecord(SQLModel, table=True):
    """What one run left for MLflow. `delivered_at` None: it is still to be handed over, next at `next_try_at`.

    `mlflow_version` is the number that MLflow gave the model; ours is another. `gave_up`: nothing is left to deliver.
    """

    __tablename__ = "tracking_record"

    run_id: str = Field(primary_key=True)
    folder: str
    created_at: datetime
    n_tries: int = 0
    next_try_at: datetime = Field(index=True)
    delivered_at: datetime | None = None
    mlflow_run_id: str | None = None
    mlflow_version: str | None = None
    error: str = ""
    gave_up: bool = False
