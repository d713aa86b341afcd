"""Configurations that a study's author believes in come before what any sampler would say, behind the reference."""

from __future__ import annotations

from collections.abc import Sequence

from autoglm_coordinator.sampler.api import Foreseeing, NoConfiguration, Outlook, Sampler, SpaceExhausted, Suggestion
from autoglm_core.configuration import Configuration
from autoglm_core.reason import How, Reason
from autoglm_core.trial import Observation


class BelievedFirst:
    """`sampler` with `believed` in front of it, in their order; those with one `tune` share a TUNE."""

    def __init__(self, sampler: Sampler, believed: Sequence[Configuration]) -> None:
        self._sampler = sampler
        self._believed = believed
        self._completed: Sequence[Observation] = ()
        self._pending: list[Configuration] = []

    def observe(self, completed: Sequence[Observation], pending: Sequence[Configuration]) -> None:
        """See `Sampler.observe`."""
        self._completed, self._pending = completed, list(pending)
        self._sampler.observe(completed, pending)

    def suggest(self, n: int) -> list[Suggestion]:
        """See `Sampler.suggest`."""
        nothing_known = not (self._completed or self._pending)
        suggestions = self._add(self._sampler.suggest(1)) if n > 0 and nothing_known else []
        suggestions += self._add(self._next(n - len(suggestions)))
        if len(suggestions) == n:
            return suggestions
        try:
            return [*suggestions, *self._sampler.suggest(n - len(suggestions))]
        except (SpaceExhausted, NoConfiguration):
            if not suggestions:
                raise
            return suggestions

    def outlook(self, suggestions: Sequence[Suggestion]) -> Outlook | None:
        """See `Foreseeing`; of what the sampler suggested, and nothing while there is something to believe in."""
        if not isinstance(self._sampler, Foreseeing) or any(_is_believed(entry) for entry in suggestions):
            return None
        return self._sampler.outlook(suggestions)

    def _next(self, n: int) -> list[Suggestion]:
        """The first `n` TUNEs of what is believed and not known."""
        known = {entry.configuration.key for entry in self._completed} | {entry.key for entry in self._pending}
        groups: dict[str, list[Configuration]] = {}
        for configuration in self._believed:
            if configuration.key not in known:
                groups.setdefault(configuration.tune_key, []).append(configuration)
        return [
            Suggestion(group[0].tune, tuple(entry.deploy for entry in group), (Reason(How.BELIEVED),) * len(group))
            for group in list(groups.values())[:n]
        ]

    def _add(self, suggestions: list[Suggestion]) -> list[Suggestion]:
        """From now on they are pending."""
        self._pending += [entry for suggestion in suggestions for entry in suggestion.configurations]
        self._sampler.observe(self._completed, self._pending)
        return suggestions


def _is_believed(suggestion: Suggestion) -> bool:
    return any(reason.how is How.BELIEVED for reason in suggestion.reasons)
