"""Every parser of bytes that come from the other side; the tests, the fuzzer and its corpus all work from this list.

fuzz/README.md says who sends the bytes of each, and what bounds their memory.
"""

from __future__ import annotations

from support.parsers_core import CORE
from support.parsers_files import FILES
from support.parsers_models import MODELS
from support.parsers_texts import TEXTS
from support.parsers_wire import WIRE

PARSERS = (*CORE, *WIRE, *FILES, *TEXTS, *MODELS)
BY_NAME = {parser.name: parser for parser in PARSERS}
