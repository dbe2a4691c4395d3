"""The prediction API: loads the live bundle and predicts with it. Never unpickles anything."""

import pipeline  # noqa: F401 - sets variables that ONNX Runtime reads when it is imported, which may be before the rest
