"""Problems with a pointer or a bundle on disk."""

from pathlib import Path
from typing import Self

from pydantic import ValidationError

from pipeline.core.problems import BundleError


class PointerError(BundleError):
    """The pointer to the live model cannot be used.

    `current.json` in the models folder is missing, damaged or cannot be read. The model that is loaded keeps serving, and
    the panel writes the file again from its history of deployments within seconds. Where it cannot, promote a version on
    the Models page.
    """

    id = "MODEL-01"

    @classmethod
    def missing(cls) -> Self:
        """Return the problem of a pointer that is gone although a model was live."""
        return cls(
            "The pointer to the live model is missing.", why="The file current.json is gone from the models folder."
        )

    @classmethod
    def unreadable(cls, error: OSError) -> Self:
        """Return the problem of a file that the operating system does not let us read."""
        return cls("The pointer to the live model cannot be read.", why=f"{error.strerror}.")

    @classmethod
    def changed(cls) -> Self:
        """Return the problem of a pointer that does not name what was put live."""
        return cls("The pointer to the live model was changed.", why="It does not name what was put into service last.")

    @classmethod
    def invalid(cls, error: ValidationError) -> Self:
        """Return the problem of a file that does not hold a pointer."""
        return cls("The pointer to the live model is not valid.", why=str(error.errors()[0]["msg"]))

    @classmethod
    def outside(cls, bundle: str) -> Self:
        """Return the problem of a pointer to `bundle`, which is not a folder name."""
        return cls("The pointer to the live model points outside the models folder.", why=repr(bundle))


class BrokenBundleError(BundleError):
    """The bundle is not intact.

    A file of the bundle is missing, too large, or does not have the digest that was recorded for it. It is not put into
    service. If it was live, the panel restores it from the run that trained it, or else moves to the newest intact version
    that was live before. Promote another version, or train again.
    """

    id = "MODEL-02"

    @classmethod
    def unreadable(cls, folder: Path, error: OSError) -> Self:
        """Return the problem of a manifest that the operating system does not let us read."""
        return cls(f"The bundle {folder.name} cannot be read.", why=f"{error.strerror}.")

    @classmethod
    def changed(cls, folder: Path) -> Self:
        """Return the problem of a manifest without the digest that the pointer names."""
        return cls(
            f"The bundle {folder.name} was changed.",
            why="Its manifest does not have the digest that the pointer names.",
        )

    @classmethod
    def invalid(cls, folder: Path, error: ValidationError) -> Self:
        """Return the problem of a file that is no manifest."""
        return cls(f"The manifest of bundle {folder.name} is not valid.", why=str(error.errors()[0]["msg"]))

    @classmethod
    def inconsistent(cls, folder: Path) -> Self:
        """Return the problem of a manifest whose fields are not those that its own digest was computed from."""
        return cls(
            f"The manifest of bundle {folder.name} was changed.", why="It does not have the digest that it names."
        )

    @classmethod
    def model_too_large(cls, folder: Path, max_bytes: int) -> Self:
        """Return the problem of a graph of more than `max_bytes`."""
        return cls(f"The model of bundle {folder.name} is too large.", why=f"More than {max_bytes} bytes.")

    @classmethod
    def model_unreadable(cls, folder: Path, error: OSError) -> Self:
        """Return the problem of a graph that the operating system does not let us read."""
        return cls(f"The model of bundle {folder.name} cannot be read.", why=f"{error.strerror}.")

    @classmethod
    def model_changed(cls, folder: Path) -> Self:
        """Return the problem of a graph without the digest that the manifest names."""
        return cls(
            f"The model of bundle {folder.name} was changed.", why="Its bytes do not have the digest of the manifest."
        )
