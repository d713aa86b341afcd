"""Spans of time as a user types them: 90s, 30m, 2h, 1d."""

from __future__ import annotations

import argparse
import re
from datetime import timedelta

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
FORM = re.compile(r"([1-9][0-9]{0,6})([smhd])")


def parse_duration(text: str) -> timedelta:
    """`text` as a span of time, for argparse."""
    match = FORM.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no span of time: write for example 90s, 30m, 2h or 1d")
    return timedelta(**{UNITS[match[2]]: int(match[1])})
