"""Replays sessions of the secure sum, sections 6 to 8 of docs/secure-sum.md, from the document alone."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from support import secure_sum_arithmetic as arithmetic
from support.secure_sum_arithmetic import Keys, agree, many, sha, text, unhex

NAMES = {1: "advert", 3: "shares", 5: "masked", 7: "survivor-signature", 9: "unmask"}
PHASES = ("advertise", "share", "mask", "consistency", "unmask", "never")
SEED, MASK_KEY, MASK = 1, 2, 2


class Session(Keys):
    """One file of the vectors: `verify` says everything again and compares."""

    def __init__(self, vector: Any) -> None:
        roster, self.vector, self.fields = vector["roster"], vector, vector["spec"]["fields"]
        encoded, listed = arithmetic.spec_bytes(self.fields), arithmetic.roster_bytes(roster)
        super().__init__(sha(encoded))
        assert (vector["spec"]["bytes"], vector["spec"]["sha256"]) == (encoded.hex(), self.spec.hex())
        assert (roster["bytes"], roster["sha256"]) == (listed.hex(), self.fields["roster_hash"])
        assert roster["sha256"] == sha(listed).hex()
        whole = self.fields["parameters"] == self.fields["dimension"]
        assert vector["pattern"] == (None if whole else arithmetic.pattern(self.fields))
        self.cohort, self.t, n = self.fields["cohort"], self.fields["threshold"], len(self.fields["cohort"])
        assert self.t == (n + max(1, (n - 1) // 3, roster["colluders"])) // 2 + 1
        self.x = {site["site_id"]: index for index, site in enumerate(roster["sites"], start=1)}
        self.keys = {site["site_id"]: unhex(site["public_key"]) for site in roster["sites"]}
        self.draws = {site: [unhex(draw) for draw in own["entropy"]] for site, own in vector["sites"].items()}
        heard = [((m["kind"], site), m) for m in vector["messages"] for site in m.get("to") or [m["from"]]]
        self.heard, self.said = dict(heard), dict[tuple[int, str], bytes]()
        assert len(heard) == len(self.heard), "a message stands twice"

    def verify(self) -> None:
        """Raises if a byte of a message, a signature, an image or the result is not what the inputs lead to."""
        result = self.replay()
        assert self.heard.keys() == self.said.keys()
        for (kind, site), message in self.heard.items():
            assert unhex(message["body"]) == self.said[kind, site], (kind, site)
            if kind in NAMES:
                signed = f"autoglm/v1/{NAMES[kind]}\0".encode() + self.said[kind, site]
                Ed25519PublicKey.from_public_bytes(self.keys[site]).verify(self.signature(kind, site), signed)
        assert result == self.vector["result"]

    def replay(self) -> Any:
        """Everything up to the result, which is returned; what was said on the way is in `said`."""
        masked, minimum = self.fields["masked"], self.fields["minimum_cohort"]
        needed = [max(self.t, minimum) if masked else minimum] * 3 + [self.t] * 2
        alive = list(accumulate(PHASES[:-1], self.spoke, initial=self.cohort))[1:]
        short = next((phase for phase in range(5) if len(alive[phase]) < needed[phase]), 5)
        opened = self.introduce(alive[0], alive[1]) if masked else {}
        running = self.upload(alive[1], alive[2]) if short >= MASK else b""
        if masked and short > MASK:
            self.agree_on(alive[2], alive[3])
            running = self.unmask(running, alive, opened, completes=short == 5)
        if short == 5:
            return self.result(running, alive[2])
        last = 10 if short == 4 else 2 * short + 1
        self.said = {(kind, site): body for (kind, site), body in self.said.items() if kind <= last}
        left, least = len(alive[short]), needed[short]
        return {"abort": "too-few-sites", "phase": PHASES[short].upper(), "left": left, "needed": least}

    def introduce(self, adverts: Sequence[str], sharers: Sequence[str]) -> dict[tuple[str, int], dict[str, bytes]]:
        """Kinds 1 to 4; shares with their salts, by dealer and kind, then by receiver."""
        opened = {(dealer, kind): self.dealt(dealer, kind) for dealer in adverts for kind in (SEED, MASK_KEY)}
        for dealer in adverts:
            seed, *private = self.draws[dealer][:3]
            committed = [
                b"".join(self.commitment(dealer, site, kind, opened[dealer, kind][site]) for kind in (SEED, MASK_KEY))
                for site in self.cohort
            ]
            keys = b"".join(map(agree, private)) + self.seed_hash(dealer, seed)
            self.say(1, [dealer], text(dealer) + keys + many(committed))
        listed = many([text(self.said[1, site]) + self.signature(1, site) for site in adverts])
        self.say(2, adverts, listed)
        sealed = {}
        for sender, receiver in ((a, b) for a in sharers for b in adverts if a != b):
            plain = opened[sender, SEED][receiver] + opened[sender, MASK_KEY][receiver]
            sealed[sender, receiver] = self.seal(sender, receiver, sha(self.spec + listed), plain)
        for own in sharers:
            self.say(3, [own], text(own) + many([text(b) + text(sealed[a, b]) for a, b in sealed if a == own]))
            self.say(4, [own], text(own) + many([text(a) + text(sealed[a, b]) for a, b in sealed if b == own]))
        return opened

    def seal(self, sender: str, receiver: str, view: bytes, plain: bytes) -> bytes:
        """Sealed with the sender's private key, and opened with the receiver's."""
        one, other = self.draws[sender][1], self.draws[receiver][1]
        cipher, associated = self.sealing(agree(one, agree(other)), view, sender, receiver)
        sealed = cipher.encrypt(bytes(12), plain, associated)
        cipher, associated = self.sealing(agree(other, agree(one)), view, sender, receiver)
        assert cipher.decrypt(bytes(12), sealed, associated) == plain
        return sealed

    def upload(self, sharers: Sequence[str], survivors: Sequence[str]) -> bytes:
        """Kind 5 and the images; their sum."""
        running = b""
        for site in survivors:
            image = arithmetic.clear_image(self.fields, self.vector["sites"][site])
            if self.fields["masked"]:
                image = self.add(image, self.self_key(site, self.draws[site][0]))
                for peer in (peer for peer in sharers if peer != site):
                    image = self.add(image, self.pair(site, peer, self.draws[site][2]), 1 if site < peer else -1)
            assert unhex(self.heard[5, site]["image"]) == image, site
            self.say(5, [site], text(site) + sha(image))
            running = arithmetic.add(self.fields, running, image) if running else image
        return running

    def agree_on(self, survivors: Sequence[str], signers: Sequence[str]) -> None:
        """Kinds 6 to 8."""
        self.say(6, survivors, many([text(site) for site in survivors]))
        for site in signers:
            self.say(7, [site], text(site) + self.list_hash(survivors))
        signatures = many([text(site) + self.signature(7, site) for site in signers])
        self.say(8, signers, self.list_hash(survivors) + signatures)

    def unmask(self, running: bytes, alive: Sequence[Sequence[str]], opened: Any, *, completes: bool) -> bytes:
        """Kinds 9 and 10; the sum without masks, from the shares of the last t that answered."""
        _, sharers, survivors, _, answering = alive
        kinds = {dealer: SEED if dealer in survivors else MASK_KEY for dealer in sharers}
        for site in answering:
            shares = [text(dealer) + bytes([kind]) + opened[dealer, kind][site] for dealer, kind in kinds.items()]
            head = text(site) + self.list_hash(survivors) + self.signature(7, site)
            self.say(9, [site], head + many(shares))
        self.say(10, survivors if completes else answering, b"")
        for dealer, kind in kinds.items() if completes else ():
            points = {self.x[site]: opened[dealer, kind][site][:33] for site in answering[-self.t :]}
            secret = arithmetic.interpolate(points)
            if kind == SEED:
                running = self.add(running, self.self_key(dealer, secret), -1)
            for site in survivors if kind == MASK_KEY else ():
                running = self.add(running, self.pair(dealer, site, secret), 1 if dealer < site else -1)
        return running

    def result(self, image: bytes, survivors: Sequence[str]) -> Any:
        tail, body = (part.tolist() for part in arithmetic.lanes(self.fields, image, "i"))
        return {
            "survivors": survivors,
            "dropped": [site for site in self.cohort if site not in survivors],
            "body_sum": body,
            "tail_sum": tail,
            "mean_delta": arithmetic.mean(self.fields, body, tail[0]).tobytes().hex(),
        }

    def dealt(self, dealer: str, kind: int) -> dict[str, bytes]:
        """Share and salt by receiver."""
        draws, first = self.draws[dealer], 3 + (kind - 1) * (self.t - 1 + len(self.cohort))
        coefficients, salts = draws[first : first + self.t - 1], draws[first + self.t - 1 :]
        shares = arithmetic.deal(draws[2 * (kind - 1)], coefficients, [self.x[site] for site in self.cohort])
        return {site: share + salt for site, share, salt in zip(self.cohort, shares, salts, strict=False)}

    def say(self, kind: int, sites: Sequence[str], body: bytes) -> None:
        self.said |= {(kind, site): self.spec + body for site in sites}

    def spoke(self, sites: Sequence[str], phase: str) -> list[str]:
        later = PHASES[PHASES.index(phase) + 1 :]
        return [site for site in sites if self.vector["silent_from"].get(site, "never") in later]

    def signature(self, kind: int, site: str) -> bytes:
        return unhex(self.heard[kind, site]["signature"])

    def list_hash(self, survivors: Sequence[str]) -> bytes:
        return sha(self.spec, many([text(site) for site in survivors]))

    def pair(self, own: str, peer: str, private: bytes) -> bytes:
        return self.pair_key(own, peer, agree(private, agree(self.draws[peer][2])))

    def add(self, image: bytes, key: bytes, sign: int = 1) -> bytes:
        return arithmetic.add(self.fields, image, arithmetic.stream(key, len(image)), sign)
