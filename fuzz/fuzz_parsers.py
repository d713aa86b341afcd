"""One parser under libFuzzer, guided by what it executes: `python fuzz/fuzz_parsers.py PARSER [options of libFuzzer]`.

Any exception but the parser's own typed errors ends the run, and so does a value that encodes to other bytes than it
was read from; the input is written to `fuzz/work/`. `--list` prints the names of the parsers.

Needs atheris (`make fuzz` installs it): without its instrumentation this would be no fuzzer, so there is no stand-in.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent / "tests"))
CORPUS, WORK = FOLDER / "corpus", FOLDER / "work"
INSTRUMENTED = [
    *("autoglm", "autoglm_core", "autoglm_protos", "autoglm_agent", "autoglm_coordinator", "autoglm_workloads"),
    *("yaml", "tarfile", "tomllib"),
]
LIMITS = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=8192", f"-dict={FOLDER / 'words.dict'}"]


def main() -> int:
    """Fuzz one parser until an option of libFuzzer ends it."""
    if sys.argv[1:] == ["--list"]:
        from support.parsers import BY_NAME

        print("\n".join(BY_NAME))
        return 0
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        from support.json_damage import damage
        from support.parsers import BY_NAME
    name, *options = sys.argv[1:]
    parser = BY_NAME[name]
    parser.check(parser.honest[0])  # what is made once is made before the first input
    found = WORK / name
    found.mkdir(parents=True, exist_ok=True)
    folders = [str(found), str(CORPUS / name)]  # libFuzzer writes to the first alone
    arguments = [sys.argv[0], *LIMITS, f"-artifact_prefix={found}/", *options, *folders]

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        """Half of the time the values of a JSON text are changed, for bytes that are changed are seldom canonical."""
        return damage(data, Random(seed))[:most] if seed % 2 else bytes(atheris.Mutate(data, most))

    atheris.Setup(arguments, parser.check_alone, custom_mutator=mutated if parser.json else None)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
