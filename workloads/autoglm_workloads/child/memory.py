"""Whether an error says that memory ran out. Few libraries have a class for it, and none shares one with another."""

from __future__ import annotations

import sys

ALLOCATORS = ("DefaultCPUAllocator", "Failed to allocate memory", "bad_alloc", "bad allocation")
"""What stands in the text of those that have none: torch on a processor, onnxruntime, C++ behind either of them."""
LOADERS = ("failed to map segment", "annot allocate memory")
"""The same of the dynamic loader: a framework with its CUDA libraries is larger than some limits."""


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of this process or of the device that it computes on. Torch is not imported for that."""
    if isinstance(error, MemoryError):
        return True
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    if isinstance(error, ImportError | OSError):
        return any(name in str(error) for name in LOADERS)
    return isinstance(error, RuntimeError) and any(name in str(error) for name in ALLOCATORS)
