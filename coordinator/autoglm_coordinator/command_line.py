"""`autoglm-coordinator init | run`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from autoglm_coordinator.config import CoordinatorConfig, load_config
from autoglm_coordinator.daemon import Ports, serve
from autoglm_coordinator.initialise import CONFIG_NAME, initialise, operator_token
from autoglm_core.errors import AutoglmError, Kind
from autoglm_workloads.child.sandbox import hide_memory
from autoglm_workloads.models import command_line
from autoglm_workloads.models.place import use_shelf


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except AutoglmError as error:
        print(f"autoglm-coordinator: {error.message}", file=sys.stderr)
        return 2 if error.kind in (Kind.INVALID, Kind.NOT_FOUND, Kind.CONFLICT) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="autoglm-coordinator", description="The coordinator of a deployment.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    init = verbs.add_parser("init", help="make a deployment: authority, keys, configuration, first operator token")
    init.add_argument("--state", type=Path, required=True, help="folder for everything the coordinator keeps")
    init.add_argument("--address", required=True, help="host name or IP address that agents and operators dial")
    init.add_argument("--deployment", default="autoglm", help="name of the deployment (default: autoglm)")
    init.add_argument("--join-port", type=int, default=7442, help="server TLS only (default: 7442; 0: a free one)")
    init.add_argument("--port", type=int, default=7443, help="mutual TLS (default: 7443; 0: a free one)")
    init.set_defaults(run=_init)
    run = verbs.add_parser("run", help="run the daemon until SIGTERM")
    place = run.add_mutually_exclusive_group(required=True)
    place.add_argument("--state", type=Path, help=f"the folder that init made; its {CONFIG_NAME} is read")
    place.add_argument("--config", type=Path, help="another coordinator.toml")
    run.set_defaults(run=_run)
    token = verbs.add_parser("operator-token", help="a new operator token, while the daemon is stopped")
    token.add_argument("--state", type=Path, required=True, help="the folder that init made")
    token.set_defaults(run=_operator_token)
    _models(verbs)
    return parser


def _models(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "the language models of this machine, which studies name by their content"
    inner = verbs.add_parser("models", help=text).add_subparsers(required=True, metavar="ACTION")
    for action, meaning in command_line.ACTIONS.items():
        leaf = inner.add_parser(action, help=meaning)
        command_line.add_arguments(leaf, action, source="coordinator")
        leaf.add_argument("--state", type=Path, help=f"the folder that init made; its {CONFIG_NAME} may name the shelf")
        leaf.set_defaults(run=partial(_run_models, action))


def _run_models(action: str, options: argparse.Namespace) -> int:
    if options.state is not None:
        use_shelf(load_config(options.state / CONFIG_NAME).models)
    return command_line.run(action, options)


def _init(options: argparse.Namespace) -> int:
    token = initialise(
        options.state,
        address=options.address,
        deployment=options.deployment,
        join_port=options.join_port,
        port=options.port,
    )
    print(f"deployment made; run it:   autoglm-coordinator run --state {options.state}")
    print("first operator token, good for one login:")
    print(f"autoglm login {token.encode()}")
    return 0


def _operator_token(options: argparse.Namespace) -> int:
    print(f"autoglm login {operator_token(load_config(options.state / CONFIG_NAME)).encode()}")
    return 0


def _run(options: argparse.Namespace) -> int:
    config = load_config(options.config or options.state / CONFIG_NAME)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    hide_memory()
    use_shelf(config.models)
    asyncio.run(serve(config, ready=lambda ports: _announce(config, ports)))
    return 0


def _announce(config: CoordinatorConfig, ports: Ports) -> None:
    address = config.address
    print(f"autoglm-coordinator ready join={address}:{ports.join} agents={address}:{ports.agents}", flush=True)
