"""`autoglm-agent`: what an administrator types at a site or on a device.

Exit codes: 0 done, 1 it failed, 2 the input must be changed. An error is one line on stderr that says what to change.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from autoglm_core.errors import AutoglmError, Kind

CONFIG = "/etc/autoglm/agent.toml"
Verb = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.verb(options))
    except AutoglmError as error:
        print(f"autoglm-agent: {error}", file=sys.stderr)
        return 2 if error.kind is Kind.INVALID else 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="autoglm-agent", description="Takes part in studies without giving data away."
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    join = _add(verbs, "join", "enrol this agent with a token from its operator")
    join.add_argument("token", help="AGM1...., or - to read it from standard input")
    join.add_argument("--name", help="write a first agent.toml with this name, where there is none")
    join.add_argument("--state", type=Path, help="state folder of that first agent.toml (default: beside it)")
    _add(verbs, "run", "connect and work")
    _add(verbs, "status", "what the running agent does")
    _add(verbs, "doctor", "check clock, connection, disk, data and frameworks")
    _add(verbs, "studies", "list the studies that were offered")
    _study_verb(verbs, "show", "print a study as it was offered, with what approving it means")
    _study_verb(verbs, "approve", "take part in a study")
    _study_verb(verbs, "deny", "take no part in a study")
    _study_verb(verbs, "withdraw", "stop taking part in a study")
    _nested(verbs, "data", "this site's datasets", {"check": "read a dataset as the offered studies would"}, "name")
    actions = {"show": "print the offered roster and its fingerprints", "accept": "accept it, by the start of its hash"}
    _nested(verbs, "roster", "the sites that this one accepts as peers", actions, "hash")
    _models(verbs)
    _nested(
        verbs, "audit", "the record of what left this site", {"verify": "check its chain and its signed head"}, None
    )
    return parser


def _add(verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    default = (
        Path("agent.toml") if Path("agent.toml").exists() else Path(os.environ.get("AUTOGLM_AGENT_CONFIG", CONFIG))
    )
    parser.add_argument(
        "--config", type=Path, default=default, help=f"agent.toml (default: ./agent.toml, else {CONFIG})"
    )
    parser.set_defaults(verb=_verb(name))
    return parser


def _study_verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str) -> None:
    _add(verbs, name, text).add_argument("study", help="as `autoglm-agent studies` prints it")


def _nested(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    text: str,
    actions: dict[str, str],
    argument: str | None,
) -> None:
    parser = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    inner = parser.add_subparsers(required=True, metavar="ACTION")
    for action, meaning in actions.items():
        leaf = _add(inner, action, meaning)
        leaf.set_defaults(verb=_verb(f"{name}-{action}"))
        if argument is not None and action != "show":
            leaf.add_argument(argument)


def _models(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from autoglm_workloads.models import command_line

    text = "the language models of this machine, which studies name by their content"
    inner = verbs.add_parser("models", help=text, description=text[0].upper() + text[1:] + ".").add_subparsers(
        required=True, metavar="ACTION"
    )
    for action, meaning in command_line.ACTIONS.items():
        leaf = _add(inner, action, meaning)
        command_line.add_arguments(leaf, action, source="site")
        leaf.set_defaults(verb=_verb(f"models-{action}"))


def _verb(name: str) -> Verb:
    """The function behind a verb; its module is imported when it is called, for `run` must start fast."""

    def call(options: argparse.Namespace) -> int:
        from autoglm_agent import command_line_daemon, command_line_decide, command_line_models

        verbs: dict[str, Verb] = {
            **command_line_daemon.VERBS, **command_line_decide.VERBS, **command_line_models.VERBS
        }  # fmt: skip
        return verbs[name](options)

    return call


if __name__ == "__main__":
    raise SystemExit(main())
