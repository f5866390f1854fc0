"""The user's folder of downloaded and converted models."""
import os
from pathlib import Path

D3_TABLE = "dftd3_reference.safetensors"


def folder(cache=None):
    """The cache folder: ``cache``, else $OPENMMMLFF_CACHE, else the user's usual place."""
    if cache is not None:
        return Path(cache).expanduser()
    chosen = os.environ.get("OPENMMMLFF_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    base = Path(base) if base and os.path.isabs(base) else Path("~/.cache").expanduser()
    return base / "openmmmlff"


def d3_table_path(cache=None):
    """Where ``get`` leaves the complete D3 reference table."""
    return folder(cache) / D3_TABLE
