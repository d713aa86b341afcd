"""How a site can be found to have broken the secure sum."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from autoglm_core.privacy.errors import BadDealer, BadShare


class BlameCode(StrEnum):
    """The first two are proved by what the site itself signed; the third rests on how many sites may lie."""

    BAD_SHARE = BadShare.code
    BAD_DEALER = BadDealer.code
    ACCUSED = "accused"


MEANINGS: Mapping[BlameCode, str] = {
    BlameCode.BAD_SHARE: "it gave other shares than it had been dealt",
    BlameCode.BAD_DEALER: "it shared another secret than it advertised",
    BlameCode.ACCUSED: "more sites than are assumed to lie received wrong shares from it",
}
"""To be said after the code."""
