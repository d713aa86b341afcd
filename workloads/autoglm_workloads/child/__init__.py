"""Warm child processes in which training, measuring and compressing run: no keys, no network, replaceable.

`host` is the daemon's side and imports no framework; `__main__` is the child's. A task table is `Mapping[str,
Callable[[Json, list[bytes]], tuple[Json, Sequence[bytes-like]]]]`, named as "module:TABLE".
"""
