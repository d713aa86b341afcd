"""What is taken onto the shelf and what is refused, each with what to do about it."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from autoglm_agent.command_line import main as agent
from autoglm_workloads.models import shelf
from autoglm_workloads.models.create import Sizes, create
from autoglm_workloads.models.describe import describe
from autoglm_workloads.models.errors import (
    BadModelConfig,
    FileMissing,
    ModelDamaged,
    ModelMissing,
    OddFile,
    PickleCheckpoint,
    RemoteCode,
    TokenizerUnfit,
    TooLarge,
    UnfitModel,
    UnknownArchitecture,
    WeightsUnfit,
)
from autoglm_workloads.models.files import MOST_HEADER
from support.text_models import on_shelf, tiny, write_tokenizer

SIZES = Sizes(hidden=16, layers=2, heads=2, inner=32, positions=32)


@pytest.fixture(autouse=True)
def _shelf(tmp_path: Path) -> Iterator[None]:
    with on_shelf(tmp_path / "shelf"):
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("made")
    tokenizer = write_tokenizer(place / "tokenizer.json")
    return create("glm4", place / "tiny", tokenizer=tokenizer, sizes=SIZES, seed=3)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "copy")


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_what_was_put_is_found_whole_by_its_content(folder: Path) -> None:
    (folder / "README.md").write_text("not part of it")
    (folder / "modeling.py").write_text("raise SystemExit")
    put = shelf.put(folder, name="mine", describe=describe)
    assert put == shelf.find(put.content)
    assert sorted(os.listdir(put.path)) == sorted([*put.files, "shelf.json", "description.json"])
    assert "modeling.py" not in put.files and "README.md" not in put.files
    assert shelf.put(folder, describe=describe).name == "mine"
    assert [model.content for model in shelf.shelved()] == [put.content]


def test_the_same_arguments_make_the_same_content_and_another_seed_another(made: Path, tmp_path: Path) -> None:
    def content(seed: int) -> str:
        where = tmp_path / f"again-{seed}"
        create("glm4", where, tokenizer=made / "tokenizer.json", sizes=SIZES, seed=seed)
        return shelf.put(where, describe=describe).content

    assert content(3) == shelf.put(made, describe=describe).content != content(4)


def test_what_the_child_that_looks_at_it_refuses_is_refused_with_the_same_error(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(folder / "config.json", num_hidden_layers=3)
    assert agent(["models", "add", str(folder), "--config", "absent.toml"]) == 2
    assert "the weights do not match config.json (missing: " in capsys.readouterr().err
    assert not list((folder.parent / "shelf").glob("*"))


def test_a_changed_file_is_noticed_and_the_advice_helps(folder: Path) -> None:
    put = shelf.put(folder, describe=describe)
    weights = put.path / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ModelDamaged, match=r"model\.safetensors"):
        shelf.find(put.content)
    shelf.remove(put.content)
    assert shelf.put(folder, describe=describe).content == put.content


@pytest.mark.parametrize("file", ["model.safetensors", "shelf.json", "description.json"])
def test_a_model_with_a_file_gone_is_damaged(folder: Path, file: str) -> None:
    put = shelf.put(folder, describe=describe)
    (put.path / file).unlink()
    with pytest.raises(ModelDamaged):
        shelf.find(put.content)


def test_a_missing_model_names_the_command_of_its_source() -> None:
    with pytest.raises(ModelMissing, match=r"models fetch acme/tiny@0123`"):
        shelf.find("0" * 64, source="hub:acme/tiny@0123")
    with pytest.raises(ModelMissing, match="models add FOLDER"):
        shelf.find("../../etc")


def test_removing_takes_the_whole_folder(folder: Path) -> None:
    put = shelf.put(folder, describe=describe)
    shelf.remove(put.content)
    assert not list(shelf.shelved()) and not put.path.exists()
    with pytest.raises(ModelMissing):
        shelf.remove(put.content)


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _linked(folder: Path) -> None:
    (folder / "config.json").rename(folder / "real.json")
    (folder / "config.json").symlink_to(folder / "real.json")


def _huge_header(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", MOST_HEADER + 1) + b"{}")


def _cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-8])


def _overlapping(folder: Path) -> None:
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    header = json.dumps({"a": entry, "b": entry}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))


def _quantized(folder: Path) -> None:
    header = json.dumps({"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))


def _sharded(names: dict[str, str]) -> Callable[[Path], None]:
    def sharded(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))

    return sharded


def _more_words(folder: Path) -> None:
    write_tokenizer(folder / "tokenizer.json", ["quite a lot of other words than before, zebra xylophone jukebox"] * 2)
    value = json.loads((folder / "tokenizer.json").read_text())
    value["model"]["vocab"] |= {f"word{number}": 500 + number for number in range(10)}
    (folder / "tokenizer.json").write_text(json.dumps(value))


REFUSED: dict[str, tuple[Callable[[Path], object], type[UnfitModel], str]] = {
    "no configuration": (lambda folder: (folder / "config.json").unlink(), FileMissing, "config.json"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), FileMissing, "save_pretrained"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), FileMissing, "weights"),
    "a pickle": (_pickled, PickleCheckpoint, "pytorch_model.bin"),
    "a link": (_linked, OddFile, "cp -rL"),
    "a header that would fill the memory": (_huge_header, TooLarge, "header"),
    "weights cut off": (_cut, OddFile, "cut off"),
    "tensors on top of each other": (_overlapping, OddFile, "overlap"),
    "quantized weights": (_quantized, WeightsUnfit, "type"),
    "a missing shard": (
        _sharded({"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}),
        FileMissing,
        "model-00002-of-00002.safetensors",
    ),
    "a shard elsewhere": (_sharded({"a": "../../../etc/passwd"}), OddFile, "no plain"),
    "code in config.json": (
        lambda folder: change(folder / "config.json", auto_map={"AutoModel": "m.M"}), RemoteCode, "own classes",
    ),
    "code in the tokenizer": (
        lambda folder: change(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["t.T", None]}), RemoteCode,
        "-hf",
    ),
    "GLM-4 in its own code": (
        lambda folder: change(
            folder / "config.json", model_type="chatglm", num_layers=40, padded_vocab_size=151_552, seq_length=2**13
        ),
        RemoteCode, "take its conversion zai-org/glm-4-9b-hf$",
    ),
    "ChatGLM 3": (
        lambda folder: change(folder / "config.json", model_type="chatglm", num_layers=28, padded_vocab_size=65_024),
        RemoteCode, "ChatGLM 1 to 3 have none there",
    ),
    "a type that nobody knows": (
        lambda folder: change(folder / "config.json", model_type="glm99"), UnknownArchitecture, "glm99",
    ),
    "no type": (lambda folder: change(folder / "config.json", model_type=None), BadModelConfig, "model_type"),
    "not JSON": (lambda folder: (folder / "config.json").write_text("{"), OddFile, "no JSON"),
    "a size that is a word": (
        lambda folder: change(folder / "config.json", hidden_size="wide"), BadModelConfig, "refuses it",
    ),
    "weights of another width": (
        lambda folder: change(folder / "config.json", intermediate_size=64), WeightsUnfit, "shape",
    ),
    "fewer layers than weights": (
        lambda folder: change(folder / "config.json", num_hidden_layers=1), WeightsUnfit, "unexpected",
    ),
    "more layers than weights": (
        lambda folder: change(folder / "config.json", num_hidden_layers=3), WeightsUnfit, "missing",
    ),
    "a tokenizer of another model": (_more_words, TokenizerUnfit, "509"),
    "a broken tokenizer": (lambda folder: (folder / "tokenizer.json").write_text("{}"), OddFile, "tokenizers library"),
    "positions unknown": (
        lambda folder: change(folder / "config.json", max_position_embeddings=0), BadModelConfig, "longest input",
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", REFUSED)
def test_it_is_refused_with_what_to_do_and_nothing_stays(folder: Path, wrong: str) -> None:
    spoil, error, told = REFUSED[wrong]
    spoil(folder)
    with pytest.raises(error, match=told) as raised:
        shelf.put(folder, describe=describe)
    assert str(folder) not in raised.value.message
    assert not list((folder.parent / "shelf").glob("*"))


def test_whole_shards_are_one_model(folder: Path, made: Path) -> None:
    name = "model-00001-of-00001.safetensors"
    weights = dict.fromkeys(load_file(folder / "model.safetensors"), name)
    (folder / "model.safetensors").rename(folder / name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weights}))
    assert set(shelf.put(folder, describe=describe).files) >= {name, "model.safetensors.index.json"}


def test_two_fill_one_folder_one_after_the_other(tmp_path: Path) -> None:
    with shelf.claimed(tmp_path / "filling"):
        (tmp_path / "filling" / "part").write_text("left for the next one")
    with shelf.claimed(tmp_path / "filling"):
        (tmp_path / "filling" / "part").unlink()
    assert not (tmp_path / "filling").exists()


def test_glm_presets_tie_their_embeddings_or_do_not(tmp_path: Path) -> None:
    tied, loose = (tiny("glm", tmp_path / "shelf", tied=value).description.language for value in (True, False))
    assert tied is not None and loose is not None
    assert loose.parameters - tied.parameters == 32 * tiny("glm", tmp_path / "shelf").description.vocabulary
    assert "lm_head" in {linear.name for linear in tied.linears}


def test_a_model_without_a_tokenizer_reads_every_byte(tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    folder = create("glm4", tmp_path / "bytes", tokenizer=None, sizes=SIZES, seed=3)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in ("To be, or not\n to be", "词语 \U0001f600", "tab\tand  spaces"):
        ids = tokenizer.encode(text).ids
        assert len(ids) == len(text.encode())
        assert tokenizer.decode(ids) == text


def test_of_many_who_claim_a_folder_one_at_a_time_has_it(tmp_path: Path) -> None:
    """Threads stand for the agents of one machine: a lock on a folder is its opener's, not its process's."""
    inside: list[int] = []
    most, folder = 0, tmp_path / "filling"

    def claim(who: int) -> None:
        nonlocal most
        for _ in range(100):
            with shelf.claimed(folder):
                inside.append(who)
                most = max(most, len(inside))
                (folder / "part").write_bytes(b"x")
                (folder / "part").unlink()
                inside.remove(who)

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(claim, who) for who in range(6)]:
            done.result(timeout=60)
    assert most == 1
    assert not folder.exists()
