"""`models fetch | add | create | list | remove`: the same words for an agent's machine and a coordinator's."""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from autoglm_workloads.models import shelf
from autoglm_workloads.models.errors import ModelMissing, NotInstalled, ShortContent
from autoglm_workloads.models.place import shelf_folder

if TYPE_CHECKING:
    from autoglm_workloads.models.shelf import ShelvedModel

ACTIONS: Mapping[str, str] = {
    "fetch": "fetch a revision from the hub, in a process that sees neither data nor keys",
    "add": "put a folder of this machine on the shelf",
    "create": "make a small model with random weights",
    "list": "what is on the shelf",
    "remove": "take a model off the shelf",
}
PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "huggingface_hub")
FEWEST_DIGITS = 6
LONGEST_NAME = 64
USUAL_LENGTH = 128


def add_arguments(parser: argparse.ArgumentParser, action: str, *, source: str) -> None:
    """Those of one action. `source`: where sites get what is added on this machine, `site` or `coordinator`."""
    if action in ("add", "create"):
        parser.add_argument("--name", default="", help="a label of letters, digits, dots, _ and -")
        parser.set_defaults(source=source)
    if action == "fetch":
        parser.add_argument("model", metavar="NAME@REVISION", help="the revision in 40 digits, as the hub shows it")
    elif action == "add":
        parser.add_argument("folder", type=Path, help="with config.json, tokenizer.json and *.safetensors")
    elif action == "remove":
        parser.add_argument("content", help="the start of its hash, as `models list` shows it")
    elif action == "create":
        _creation_arguments(parser)


def _creation_arguments(parser: argparse.ArgumentParser) -> None:
    from autoglm_workloads.models.create import PRESETS, Sizes

    parser.add_argument("preset", choices=sorted(PRESETS))
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json (default: one token per byte)")
    parser.add_argument("--hidden", type=int, default=Sizes.hidden, help="width (default: %(default)s)")
    parser.add_argument("--layers", type=int, default=Sizes.layers, help="blocks (default: %(default)s)")
    parser.add_argument("--heads", type=int, default=Sizes.heads, help="of attention (default: %(default)s)")
    parser.add_argument("--inner", type=int, default=Sizes.inner, help="feed-forward width (default: 4 x hidden)")
    parser.add_argument("--positions", type=int, default=Sizes.positions, help="longest input (default: %(default)s)")
    parser.add_argument("--tied", action="store_true", help="one matrix for the embedding and the last map")
    parser.add_argument("--seed", type=int, default=0)


def run(action: str, options: argparse.Namespace) -> int:
    """One action; the exit code."""
    if action in ("fetch", "add", "create"):
        missing = [name for name in PACKAGES if find_spec(name) is None]
        if missing:
            raise NotInstalled(packages=" and ".join(missing))
    return _ACTIONS[action](options)


def _fetch(options: argparse.Namespace) -> int:
    from autoglm_workloads.models.fetch import fetch

    return _show(fetch(options.model))


def _add(options: argparse.Namespace) -> int:
    return _show(shelf.put(options.folder, name=_label(options.name), source=options.source))


def _create(options: argparse.Namespace) -> int:
    from autoglm_workloads.models.create import Sizes, create
    from autoglm_workloads.models.describe import describe

    sizes = Sizes(
        hidden=options.hidden,
        layers=options.layers,
        heads=options.heads,
        inner=options.inner,
        positions=options.positions,
        tied=options.tied,
    )
    name = _label(options.name) or f"{options.preset}-{sizes.hidden}x{sizes.layers}"
    with tempfile.TemporaryDirectory(prefix="autoglm-model-") as place:
        folder = create(options.preset, Path(place) / name, tokenizer=options.tokenizer, sizes=sizes, seed=options.seed)
        return _show(shelf.put(folder, name=name, source=options.source, describe=describe))


def _list(options: argparse.Namespace) -> int:
    found = list(shelf.shelved())
    for model in found:
        size = sum((model.path / name).stat().st_size for name in model.files)
        whole = model.description.language or model.description.backbone
        print(
            f"{model.content[:12]}  {model.name}  {model.description.architecture}, "
            f"{whole.parameters / 1e6:.1f} million parameters, {size / 1e6:.0f} MB, {model.source}"
        )
    if not found:
        print(f"the shelf {shelf_folder()} is empty")
    return 0


def _remove(options: argparse.Namespace) -> int:
    prefix = options.content.lower()
    found = [place.name for place in shelf_folder().glob("*") if shelf.CONTENT.fullmatch(place.name)]
    alike = [content for content in found if content.startswith(prefix)]
    if not alike:
        raise ModelMissing(content=prefix)
    if len(prefix) < FEWEST_DIGITS or len(alike) > 1:
        raise ShortContent(content=prefix, alike=len(alike))
    shelf.remove(alike[0])
    print(f"model {alike[0][:12]} removed")
    return 0


def _show(model: ShelvedModel) -> int:
    """What to write into a study."""
    print(f"# on the shelf: {model.path}")
    print("model:")
    print(f"  name: {_label(model.name)}")
    print("  options:")
    print(f"    content: {model.content}")
    print(f"    source: {model.source}")
    print(f"    max_length: {min(USUAL_LENGTH, model.description.positions)}")
    return 0


def _label(name: str) -> str:
    """`name` as a study takes it."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip("._-")[:LONGEST_NAME]


_ACTIONS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "fetch": _fetch,
    "add": _add,
    "create": _create,
    "list": _list,
    "remove": _remove,
}
