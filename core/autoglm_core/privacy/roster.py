"""The sites that a site's administrator accepted as peers, by key.

Every administrator compares the fingerprints out of band and pins this version; agents accept peers from it alone,
whatever the coordinator says. A change of any field is a new version that every site accepts again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from autoglm_core.canonical import digest
from autoglm_core.encoding import Malformed, Reader, Writer
from autoglm_core.errors import InvalidInput
from autoglm_core.privacy.errors import UnknownSite
from autoglm_core.privacy.keys import KEY_BYTES, SitePublicKey
from autoglm_core.privacy.threshold import assumed_colluders, threshold

_FORMAT = "autoglm/v1/roster"
_SMALLEST_SITE = 4 + 4 + KEY_BYTES
LARGEST_ROSTER = 2**18
"""Bytes of an encoded roster: room for more than a thousand sites."""


class BadRoster(InvalidInput):
    """A roster that no site could work with."""

    code = "bad-roster"

    def __init__(self, *, field: str, reason: str) -> None:
        super().__init__(f"roster, {field}: {reason}", field=field, reason=reason)


@dataclass(frozen=True)
class RosterSite:
    """One site: `site_id` as in its certificate, `name` for people, `public_key` 32 bytes Ed25519."""

    site_id: str
    name: str
    public_key: bytes

    @property
    def key(self) -> SitePublicKey:
        """The key that this site's messages must verify under."""
        return SitePublicKey(self.public_key)


@dataclass(frozen=True)
class Roster:
    """`sites` sorted by id; sums over fewer survivors than `minimum_cohort` are never opened.

    `colluders` is a floor: a cohort of n assumes max(1, (n - 1) // 3, colluders) sites in league with the
    coordinator.

    Raises:
        BadRoster: an id or a key occurs twice, ids are not sorted, or `minimum_cohort` is below 1.
    """

    version: int
    deployment: str
    sites: tuple[RosterSite, ...]
    minimum_cohort: int = 3
    colluders: int = 0

    def __post_init__(self) -> None:
        ids = [site.site_id for site in self.sites]
        if ids != sorted(set(ids)):
            raise BadRoster(field="sites", reason="list each site once, sorted by id")
        if len({site.public_key for site in self.sites}) != len(ids):
            raise BadRoster(field="sites", reason="two sites have the same key; each needs its own")
        if any(len(site.public_key) != KEY_BYTES for site in self.sites):
            raise BadRoster(field="sites", reason=f"a key is not {KEY_BYTES} bytes long")
        if self.minimum_cohort < 1 or self.colluders < 0 or self.version < 0:
            raise BadRoster(field="minimum_cohort", reason="must be at least 1, colluders and version at least 0")

    def encode(self) -> bytes:
        """Canonical bytes."""
        writer = Writer().text(_FORMAT).u32(self.version).text(self.deployment)
        writer.u32(self.minimum_cohort).u32(self.colluders).u32(len(self.sites))
        for site in self.sites:
            writer.text(site.site_id).text(site.name).fixed(site.public_key, KEY_BYTES)
        return writer.finish()

    @classmethod
    def decode(cls, data: bytes) -> Roster:
        """Inverse of `encode`.

        Raises:
            Malformed: not a roster of this format.
            BadRoster: a roster that no site could work with.
        """
        if len(data) > LARGEST_ROSTER:
            raise Malformed(what=f"roster: longer than {LARGEST_ROSTER} bytes")
        reader = Reader(data, what="roster")
        if reader.text() != _FORMAT:
            raise Malformed(what="roster: format")
        version, deployment = reader.u32(), reader.text()
        minimum_cohort, colluders = reader.u32(), reader.u32()
        sites = tuple(
            RosterSite(reader.text(), reader.text(), reader.fixed(KEY_BYTES))
            for _ in range(reader.count(_SMALLEST_SITE))
        )
        reader.end()
        return cls(version, deployment, sites, minimum_cohort, colluders)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical bytes, hexadecimal: what administrators accept."""
        return digest(self.encode())

    @cached_property
    def _indices(self) -> dict[str, int]:
        return {site.site_id: index for index, site in enumerate(self.sites)}

    @cached_property
    def _keys(self) -> dict[str, SitePublicKey]:
        return {site.site_id: site.key for site in self.sites}

    def index(self, site_id: str) -> int:
        """Position of a site; its shares lie at x = index + 1.

        Raises:
            UnknownSite: the roster does not hold `site_id`.
        """
        if not self.has(site_id):
            raise UnknownSite(site=site_id)
        return self._indices[site_id]

    def has(self, site_id: str) -> bool:
        """Whether the roster holds that site."""
        return site_id in self._indices

    def site(self, site_id: str) -> RosterSite:
        """The site of that id; raises `UnknownSite`."""
        return self.sites[self.index(site_id)]

    def key(self, site_id: str) -> SitePublicKey:
        """The key of that site; raises `UnknownSite`."""
        self.index(site_id)
        return self._keys[site_id]

    def colluders_for(self, sites: int) -> int:
        """Sites assumed in league with the coordinator in a cohort of `sites`."""
        return assumed_colluders(sites, at_least=self.colluders)

    def threshold(self, sites: int) -> int:
        """Shares needed in a cohort of `sites`."""
        return threshold(sites, colluders=self.colluders_for(sites))
