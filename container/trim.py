"""`trim.py ENVIRONMENT ...`: take out of installed packages what a running program cannot need, and share the rest.

Gone: the packages' own tests, headers and static libraries for compilers, and Arrow's network server (30 MB).
A file that two environments have alike becomes one file with two names, which the image stores once.
"""

import filecmp
import os
import shutil
import sys
from pathlib import Path

# `tests` below these is test code only; elsewhere a folder of that name may be part of the program.
TESTED = (
    "numpy",
    "pandas",
    "scipy",
    "sklearn",
    "pyarrow",
    "matplotlib",
    "mpl_toolkits",
    "onnx",
    "skl2onnx",
    "joblib",
    "threadpoolctl",
    "greenlet",
    "psutil",
)
UNUSED = (
    "pyarrow/include",
    "pyarrow/includes",
    "pyarrow/src",
    "pyarrow/libarrow_flight.so*",
    "pyarrow/libarrow_python_flight.so*",
    "pyarrow/_flight.*",
    "pyarrow/_substrait.*",
    "numpy/_core/include",
    "numpy/_core/lib/*.a",
    "numpy/random/lib/*.a",
    "onnx/backend/test",
    "sklearn/datasets/images",
)


def main() -> None:
    """Trim each environment, then link what is alike in the first and any other."""
    environments = [Path(argument) for argument in sys.argv[1:]]
    for environment in environments:
        (packages,) = environment.glob("lib/python*/site-packages")
        for package in TESTED:
            for folder in sorted(packages.glob(f"{package}/**/tests")):
                shutil.rmtree(folder, ignore_errors=True)
        for pattern in UNUSED:
            for path in packages.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    first, *others = environments
    for other in others:
        share(first, other)


def share(first: Path, other: Path) -> None:
    """Make each file of `other` that `first` has alike, in the same place, another name of that file."""
    for path in sorted(first.rglob("*")):
        twin = other / path.relative_to(first)
        if path.is_symlink() or not path.is_file() or twin.is_symlink() or not twin.is_file():
            continue
        if path.stat().st_mode == twin.stat().st_mode and filecmp.cmp(path, twin, shallow=False):
            twin.unlink()
            os.link(path, twin)


if __name__ == "__main__":
    main()
