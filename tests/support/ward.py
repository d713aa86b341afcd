"""Rows for `studies/ward.yaml`, drawn, and the members of a consortium that hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from support.consortium import Consortium, Member

STUDY = Path(__file__).with_name("studies") / "ward.yaml"
SITES = ("st-mary", "va", "budapest")
FOUR_SITES = (*SITES, "zurich")
DEVICE = Member("kit", '[device]\nclass = "pi5"\ncpus = [0]\n', site=False)


def site(name: str, *, policy: str = 'approval = "ask"') -> Member:
    """A site that has its rows in `data/ward.csv`."""
    data = '[data.ward]\npath = "data/ward.csv"\nworkload = "tabular-classification"\n'
    return Member(name, f"{data}[policy]\n{policy}\n")


def rows(seed: int, *, count: int = 60) -> str:
    """A file's text: age, pressure, pain, outcome; the outcome follows age."""
    generator = np.random.default_rng(seed)
    age = generator.normal(55.0, 9.0, count)
    pressure = generator.normal(130.0, 15.0, count)
    pain = generator.integers(1, 4, count)
    ill = (age + generator.normal(0.0, 4.0, count) > 55.0).astype(int)
    return "".join(f"{a:.3f},{b:.2f},{c},{d}\n" for a, b, c, d in zip(age, pressure, pain, ill, strict=True))


def place_rows(consortium: Consortium, *, count: int = 60) -> None:
    """Give every site its own rows."""
    sites = [admin for admin in consortium.members.values() if admin.member.site]
    for seed, admin in enumerate(sites):
        data_file(consortium, admin.member.name).parent.mkdir()
        data_file(consortium, admin.member.name).write_text(rows(seed, count=count))


def data_file(consortium: Consortium, name: str) -> Path:
    """A site's rows."""
    return consortium[name].folder / "data" / "ward.csv"


def ward(root: Path, *names: str, policy: str = 'approval = "ask"') -> Consortium:
    """Sites with rows and one device; nobody has joined yet."""
    consortium = Consortium(root, *(site(name, policy=policy) for name in names or SITES), DEVICE)
    place_rows(consortium)
    return consortium


def study_file(folder: Path, *changes: tuple[str, str], name: str = "ward") -> Path:
    """A copy of the study in `folder`, each `(old, new)` of `changes` made once."""
    text = STUDY.read_text().replace("name: ward", f"name: {name}", 1)
    for old, new in changes:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path
