"""The table of records to be delivered to MLflow. Written by `store.py` alone."""

from datetime import datetime

from sqlmodel import Field, SQLModel


class TrackingRecord(SQLModel, table=True):
    """The record that one run left for MLflow. `delivered_at` None: it is still to be delivered, next at `next_try_at`.

    `mlflow_version` is the number that MLflow gave the model, which is not the model version. `gave_up`: nothing is left to deliver.
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
