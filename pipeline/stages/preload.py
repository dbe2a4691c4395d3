"""Imports what a stage process needs: the module that a forkserver preloads.

It only imports. It fits nothing, opens no onnxruntime session and enters no OpenMP region: a process that is forked
after such a region hangs forever in its own first fit.
"""

import onnx
import onnx.compose
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import scipy.stats
import skl2onnx
import sklearn.ensemble
import sklearn.linear_model
import sklearn.metrics
import sklearn.preprocessing

import pipeline.core.bundle
import pipeline.core.figures.plots
import pipeline.core.runner
import pipeline.evaluation.metrics
import pipeline.export.graph
import pipeline.ingest.tables

LOADED = (onnx, pa, pd, pipeline, scipy, skl2onnx, sklearn)
