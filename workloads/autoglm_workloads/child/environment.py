"""The environment of a child: what an interpreter needs, nothing that a daemon was given in confidence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from autoglm_workloads.models.place import VARIABLE, shelf_folder

KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "TZ")
"""Needed to find the same interpreter, libraries and accelerators as the daemon."""
KEPT_MEMORY = 256 * 2**20
"""Freed bytes that a child's allocator keeps, and four times the largest block that it keeps. Parameters, update and
delta of every task would else go back to the kernel and come again page by page: 7 ms a task of 1e6 parameters."""
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def scrubbed(environment: Mapping[str, str], *, home: Path, threads: int) -> dict[str, str]:
    """The child's environment, from the daemon's `environment`."""
    fixed = {
        "HOME": str(home),
        "TMPDIR": str(home),
        "LC_ALL": "C.UTF-8",
        "PYTHONHASHSEED": "0",  # the order of sets must not differ between two children
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # without it cuBLAS is not deterministic
        "GLIBC_TUNABLES": f"glibc.malloc.trim_threshold={KEPT_MEMORY}:glibc.malloc.mmap_threshold={KEPT_MEMORY // 4}",
        VARIABLE: str(shelf_folder(environment)),  # named, because the child's home is another
        "HF_HUB_OFFLINE": "1",  # a refused socket would cost the library its retries
    }
    kept = {name: environment[name] for name in KEPT if name in environment}
    return kept | fixed | dict.fromkeys(_THREAD_VARIABLES, str(threads))
