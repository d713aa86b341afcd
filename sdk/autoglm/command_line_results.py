"""The verbs that read what a study came to, at a deployment or in the folder of a simulated run."""

from __future__ import annotations

import json
from argparse import Namespace

from autoglm.ending import ending_text
from autoglm.errors import CannotWrite, OutOfRange, TooFewTrials
from autoglm.growth import growth_text
from autoglm.importance import importance_text
from autoglm.outcome import connect, read_importance, read_optuna_journal, read_result
from autoglm.pick_archive import write_files, write_whole
from autoglm.results import front_table, fronts_text
from autoglm.trial_tables import trial_text, trials_table
from autoglm.why import why, why_text


def trials(options: Namespace) -> int:
    """Print a study's trials, one of them, or why one was suggested."""
    if options.why is not None and options.trial is not None:
        raise OutOfRange(option="--why", reason="names the trial already: leave the other number out")
    result = read_result(options.id)
    if options.why is not None:
        told = why(result, result.trial(options.why))
        print(json.dumps(told, indent=2) if options.json else why_text(told))
    elif options.json:
        print(result.source.decode())
    elif options.trial is not None:
        print(trial_text(result.trial(options.trial)))
    else:
        print(f"{trials_table(result)}\n\n{ending_text(result)}")
    return 0


def front(options: Namespace) -> int:
    """Print the fronts so far, or how they grew."""
    result = read_result(options.id)
    if options.history:
        print(growth_text(result, options.device_class))
    else:
        print(fronts_text(result) if options.device_class is None else front_table(result, options.device_class))
    return 0


def importance(options: Namespace) -> int:
    """Print which parameters matter for which objective."""
    told = read_importance(options.id)
    if options.json:
        print(json.dumps(told, indent=2))
        return 0
    if all(entry["trials"] < told["needed"] for entry in told["classes"].values()):
        most = max((entry["trials"] for entry in told["classes"].values()), default=0)
        raise TooFewTrials(trials=most, needed=told["needed"])
    print(importance_text(told))
    return 0


def export(options: Namespace) -> int:
    """Write the files of a pick."""
    with connect() as client:
        pick = client.pick(options.id, options.device_class, trial=options.trial)
    write_files(pick.files, options.out)
    print(f"trial {pick.trial} for {options.device_class}: {', '.join(sorted(pick.files))} in {options.out}")
    return 0


def export_optuna(options: Namespace) -> int:
    """Write the trials as a journal that Optuna and optuna-dashboard open."""
    journal = read_optuna_journal(options.id)
    try:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(options.out, journal)
    except OSError as error:
        raise CannotWrite(path=str(options.out), reason=error.strerror or type(error).__name__) from error
    print(f"{options.out}: open it with `optuna-dashboard {options.out}`")
    return 0
