"""What a coordinator stores at durable point (a) beside the running sum, so that its successor can finish."""

from __future__ import annotations

from autoglm_core.encoding import Reader, Writer
from autoglm_core.privacy.bodies import Adverts, Survivors, require_sorted
from autoglm_core.privacy.coordinator_states import Shown, Summed
from autoglm_core.privacy.errors import UnknownSite
from autoglm_core.privacy.messages import Message, MessageKind
from autoglm_core.privacy.roster import Roster
from autoglm_core.privacy.session_spec import HASH_BYTES, SessionSpec
from autoglm_core.privacy.site_checks import read_advert, require_session
from autoglm_core.privacy.vectors import MaskedVector


def encode_record(summed: Summed, *, spec: SessionSpec) -> bytes:
    """Spec hash, sharers, survivors and the adverts as carried."""
    writer = Writer().fixed(spec.digest, HASH_BYTES).texts(summed.sharers).texts(summed.survivors.sites)
    return writer.blob(summed.shown.listed.body).finish()


def decode_record(record: bytes, *, spec: SessionSpec, roster: Roster, running: MaskedVector) -> Summed:
    """Inverse of `encode_record`; everything that is signed is verified again.

    Raises:
        Malformed: not such a record.
        Refused: of another session, or inconsistent.
        WrongVector: `running` does not have the spec's layout.
    """
    reader = Reader(record, what="session record")
    digest, sharers, survivors = reader.fixed(HASH_BYTES), reader.texts(), reader.texts()
    listed = Message(MessageKind.ADVERTS, reader.blob())
    reader.end()
    require_session(digest, spec, MessageKind.SURVIVORS)
    require_sorted(sharers, what="sharers")
    require_sorted(survivors, what="survivors")
    running.require(spec.layout)
    adverts = {}
    for body, signature in Adverts.decode(listed.body).signed:
        advert = read_advert(body, signature, spec=spec, roster=roster)
        adverts[advert.site_id] = advert
    known = set(sharers) if spec.masked else set(spec.cohort)
    for site in (*sharers, *survivors):
        if site not in known or (spec.masked and site not in adverts):
            raise UnknownSite(site=site)
    return Summed(Shown(adverts, listed), sharers, Survivors(spec.digest, survivors), running)
