"""Where this machine's models lie."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "AUTOGLM_MODELS"
USUAL = "~/.cache/autoglm/models"


def use_shelf(folder: Path | None) -> None:
    """Name this process's shelf, and that of the children that it starts: `[models] path` of a configuration."""
    if folder is not None:
        os.environ[VARIABLE] = str(folder.absolute())


def shelf_folder(environment: Mapping[str, str] | None = None) -> Path:
    """$AUTOGLM_MODELS, else ~/.cache/autoglm/models; absolute. `environment`: this process's own where None."""
    named = (os.environ if environment is None else environment).get(VARIABLE)
    return Path(named or os.path.expanduser(USUAL)).absolute()
