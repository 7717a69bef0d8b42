"""Where the files that we bring along are: in the checkout, or inside an installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_BUNDLED = _PACKAGE / "_bundled"


def checkout() -> Path | None:
    """The project folder when the code runs from a checkout, None in an installed wheel."""
    root = _PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() and (root / "rigs").is_dir() else None


def resource(name: str) -> Path:
    """Path of a file or folder that the project brings along, such as `rigs` or `templates`."""
    root = checkout()
    return root / name if root else _BUNDLED / name
