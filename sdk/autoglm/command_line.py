"""`autoglm`: what an operator types.

Exit codes: 0 done, 1 it failed, 2 the input must be changed, 130 interrupted. An error is one line on stderr; a
traceback is a defect.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from autoglm import command_line_operator as operator
from autoglm import command_line_results as results
from autoglm import command_line_study as study
from autoglm.durations import parse_duration
from autoglm_core.errors import AutoglmError, Kind, RemoteError

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130
USER_KINDS = frozenset({Kind.INVALID, Kind.NOT_FOUND, Kind.CONFLICT, Kind.DENIED, Kind.UNAUTHENTICATED})

ID_OR_RUN = "its id, or the folder of a simulated run"

Verb = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code."""
    options = build_parser().parse_args(arguments)
    verb: Verb = options.verb
    try:
        return verb(options)
    except AutoglmError as error:
        print(f"autoglm: {error.message}", file=sys.stderr)
        return exit_code(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe (`| head`) has seen enough; keep the interpreter from complaining about it at its end.
        sys.stderr.close()
        return DONE


def exit_code(error: AutoglmError) -> int:
    """2 where the user can change the input, else 1."""
    kind = error.remote_kind if isinstance(error, RemoteError) else error.kind
    return WRONG_INPUT if kind in USER_KINDS else FAILED


def build_parser() -> argparse.ArgumentParser:
    """The parser of all verbs."""
    parser = argparse.ArgumentParser(
        prog="autoglm",
        description="Tunes models whose data may not move, for devices that are not the machine that trains.",
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    _add_deployment_verbs(verbs)
    _add_study_verbs(verbs)
    _add_result_verbs(verbs)
    return parser


def _add(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, verb: Verb, text: str
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, description=text)
    parser.set_defaults(verb=verb)
    return parser


def _add_deployment_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    login = _add(verbs, "login", operator.login, "get an operator certificate for a token")
    login.add_argument("token")

    token = _add(verbs, "join-token", operator.join_token, "make a single-use token for an agent or an operator")
    token.add_argument("name", help="the agent's name, for example st-mary")
    token.add_argument("--valid", type=parse_duration, default="1h", help="for example 30m, 2h, 1d (default 1h)")
    token.add_argument("--operator", action="store_true", help="a token for `autoglm login` instead")

    roster = _add(verbs, "roster", operator.roster_show, "show the roster, or propose a new version of it")
    roster.set_defaults(sites=[])
    actions = roster.add_subparsers(metavar="ACTION")
    _add(actions, "show", operator.roster_show, "the newest version and who accepted it")
    propose = _add(actions, "propose", operator.roster_propose, "a new version, which every site must accept")
    propose.add_argument("sites", nargs="*", help="names of sites (default: all)")
    propose.add_argument("--minimum-cohort", type=int, default=3, help="fewest survivors of a sum (default 3)")
    propose.add_argument("--colluders", type=int, default=0, help="sites assumed to collude (default: a third)")

    agents = _add(verbs, "agents", operator.agents, "list the agents")
    change = agents.add_mutually_exclusive_group()
    change.add_argument("--revoke", metavar="NAME", help="end this agent's right to connect")
    change.add_argument("--readmit", metavar="NAME", help="let a site that broke the secure sum take part again")


def _add_study_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    check = _add(verbs, "check", study.check, "check a study offline: space, objectives, names, units")
    check.add_argument("study", type=Path, metavar="STUDY.yaml")

    submit = _add(verbs, "submit", operator.submit, "submit a study to the coordinator")
    submit.add_argument("study", type=Path, metavar="STUDY.yaml")
    submit.add_argument(
        "--dry-run", action="store_true", help="ask each site whether it would take part; train nothing"
    )
    submit.add_argument("--again", action="store_true", help="a new run of a study that was submitted before")
    submit.add_argument(
        "--warm-start",
        action="append",
        metavar="STUDY",
        help="learn from an earlier study of this space, instead of those in the file; may be given again",
    )

    simulate = _add(verbs, "simulate", study.simulate, "run a study with real daemons on this machine")
    simulate.add_argument("study", type=Path, metavar="STUDY.yaml")
    simulate.add_argument("--out", type=Path, help="folder of the run (default runs/NAME); the same again resumes")
    simulate.add_argument("--seed", type=int, help="of the split, of the rows and of the sampler")
    simulate.add_argument("--trials", type=int, help="instead of the study's budget")

    for name, verb, text in (
        ("watch", operator.watch, "follow a study until it ends"),
        ("stop", operator.stop, "end a study; what is completed stays"),
    ):
        _add(verbs, name, verb, text).add_argument("id", metavar="STUDY")


def _add_result_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    status = _add(verbs, "status", operator.status, "list the studies, and what each protects and what not")
    status.add_argument("id", metavar="STUDY", nargs="?")

    trials = _add(verbs, "trials", results.trials, "list a study's trials, or show one in full")
    trials.add_argument("id", metavar="STUDY", help=ID_OR_RUN)
    trials.add_argument("trial", metavar="TRIAL", type=int, nargs="?")
    trials.add_argument("--why", metavar="TRIAL", type=int, help="why it was suggested, and what came of it")
    trials.add_argument("--json", action="store_true", help="print result.json as it is; with --why what that prints")

    front = _add(verbs, "front", results.front, "print the Pareto front of each device class")
    front.add_argument("id", metavar="STUDY", help=ID_OR_RUN)
    front.add_argument("--class", dest="device_class", metavar="CLASS")
    front.add_argument("--history", action="store_true", help="print how the hypervolume grew instead")

    importance = _add(verbs, "importance", results.importance, "print which parameters matter for which objective")
    importance.add_argument("id", metavar="STUDY", help=ID_OR_RUN)
    importance.add_argument("--json", action="store_true", help="print it as JSON")

    optuna = _add(verbs, "export-optuna", results.export_optuna, "write the trials for Optuna and optuna-dashboard")
    optuna.add_argument("id", metavar="STUDY", help=ID_OR_RUN)
    optuna.add_argument("--out", type=Path, required=True, metavar="FILE", help="a journal file of Optuna's")

    export = _add(verbs, "export", results.export, "write a pick's model, configuration and model card")
    export.add_argument("id", metavar="STUDY")
    export.add_argument("--class", dest="device_class", metavar="CLASS", required=True)
    export.add_argument("--trial", type=int, default=0, help="a member of the front (default: the best)")
    export.add_argument("--out", type=Path, required=True, metavar="DIR")


if __name__ == "__main__":
    raise SystemExit(main())
