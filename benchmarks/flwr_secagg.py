"""flwr's SecAgg+ (of the `bench` extra), driven through its own client functions, to be measured beside ours."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, RecordDict
from flwr.client.mod.secure_aggregation.secaggplus_mod import (
    SecAggPlusState,
    _collect_masked_vectors,
    _setup,
    _share_keys,
)
from flwr.common import ndarrays_to_parameters
from flwr.common.secure_aggregation.crypto.symmetric_encryption import generate_shared_key
from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Key
from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen
from flwr.common.serde import recorddict_to_proto
from flwr.server.workflow import SecAggPlusWorkflow
from flwr.supercore.primitives.asymmetric import generate_key_pairs

logging.getLogger("flwr").setLevel(logging.ERROR)
THRESHOLD_SHARE = 2 / 3


class Client:
    """One client of a cohort of `clients` that is about to mask; everyone gets everyone's shares, as ours do."""

    def __init__(self, clients: int) -> None:
        states = [SecAggPlusState() for _ in range(clients)]
        first = _first_message(clients)
        keys = {}
        for number, state in enumerate(states):
            state.nid = number
            reply = _setup(state, first)
            keys[str(number)] = [reply[Key.PUBLIC_KEY_1], reply[Key.PUBLIC_KEY_2]]
        self._state, *others = states
        _share_keys(self._state, ConfigRecord(keys))
        mail = ConfigRecord({Key.SOURCE_LIST: [], Key.CIPHERTEXT_LIST: []})
        for state in others:
            shares: dict[str, Any] = _share_keys(state, ConfigRecord(keys))
            to_us = shares[Key.DESTINATION_LIST].index(self._state.nid)
            mail[Key.SOURCE_LIST].append(state.nid)
            mail[Key.CIPHERTEXT_LIST].append(shares[Key.CIPHERTEXT_LIST][to_us])
        self._mail = mail

    def masker(self, update: np.ndarray[tuple[int], np.dtype[np.float32]], *, rows: int) -> Callable[[], Any]:
        """What turns `update` into the reply that flwr's client sends; may be called again."""
        parameters = ndarrays_to_parameters([update])
        return lambda: _collect_masked_vectors(self._state, self._mail, rows, parameters)


def _first_message(clients: int) -> ConfigRecord:
    """The first message of flwr's workflow with its default ranges."""
    defaults = {name: value.default for name, value in inspect.signature(SecAggPlusWorkflow).parameters.items()}
    return ConfigRecord(
        {
            Key.SAMPLE_NUMBER: clients,
            Key.SHARE_NUMBER: clients,
            Key.THRESHOLD: round(THRESHOLD_SHARE * clients),
            Key.CLIPPING_RANGE: defaults["clipping_range"],
            Key.TARGET_RANGE: defaults["quantization_range"],
            Key.MOD_RANGE: defaults["modulus_range"],
            Key.MAX_WEIGHT: defaults["max_weight"],
        }
    )


def wire_bytes(reply: Any) -> int:
    """Bytes of the protobuf message in which the client's reply travels."""
    content = RecordDict({RECORD_KEY_CONFIGS: ConfigRecord(reply, False)})
    return len(recorddict_to_proto(content).SerializeToString())


def pair_seeds(count: int) -> list[int]:
    """What flwr's generator is seeded with for the masks of `count` pairs of clients."""
    with _watched_seeds() as seeds:
        for _ in range(count):
            (private, _), (_, public) = generate_key_pairs(), generate_key_pairs()
            pseudo_rand_gen(generate_shared_key(private, public), 2**32, [(1,)])
    return list(seeds)


@contextmanager
def _watched_seeds() -> Iterator[Sequence[int]]:
    """Seeds that are given to numpy's generator meanwhile."""
    seeds: list[int] = []
    real = np.random.RandomState

    def watched(seed: int) -> np.random.RandomState:
        seeds.append(seed)
        return real(seed)

    np.random.RandomState = watched  # type: ignore[misc, assignment]
    try:
        yield seeds
    finally:
        np.random.RandomState = real  # type: ignore[misc]
