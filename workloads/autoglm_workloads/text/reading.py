"""How a model reads token ids: mask, learned prompt, hidden states, pooling. Shared by training and export.

Needs torch at import: import it inside functions only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


def attended(ids: torch.Tensor, pad: int) -> torch.Tensor:
    """Mask `(batch, tokens)`: everything up to the last token that is no padding, and at least the first token.

    Many decoders pad with the token that ends a text: inside of a row it counts like any other. Of an empty text the
    first padding counts, so that its logits are finite.
    """
    places = torch.arange(ids.shape[1], device=ids.device)
    return places <= last_place(places, ids.ne(pad)).unsqueeze(1)


def last_place(places: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """`(batch,)`: the last of `places` `(tokens,)` that `mask` `(batch, tokens)` has; 0 where it has none."""
    return (places * mask).amax(dim=1)


def run(body: Any, ids: torch.Tensor, mask: torch.Tensor, prompt: torch.Tensor | None, *, logits: bool) -> torch.Tensor:
    """Last hidden states `(batch, tokens, width)` of `ids` `(batch, tokens)`, or the `logits` of the next tokens.

    `prompt` `(length, width)` stands before the embedded ids; what the model says at its places is left out.
    """
    if prompt is None:
        return _read(body, logits, input_ids=ids, attention_mask=mask)
    length = prompt.shape[0]
    embedded = body.get_input_embeddings()(ids)
    before = prompt.to(embedded.dtype).unsqueeze(0).expand(ids.shape[0], -1, -1)
    longer = torch.nn.functional.pad(mask, (length, 0), value=True)
    return _read(body, logits, inputs_embeds=torch.cat([before, embedded], dim=1), attention_mask=longer)[:, length:]


def pooled(states: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """States `(batch, tokens, width)` -> `(batch, width)`, by the mean over tokens, the first or the last one."""
    if pooling == "first":
        return states[:, 0]
    if pooling == "last":
        last = last_place(torch.arange(mask.shape[1], device=mask.device), mask)
        return states.gather(1, last.view(-1, 1, 1).expand(-1, 1, states.shape[2])).squeeze(1)
    counted = mask.unsqueeze(2).to(states.dtype)
    return (states * counted).sum(dim=1) / counted.sum(dim=1)


def side_by_side(parts: Sequence[torch.Tensor], tokens: int) -> torch.Tensor:
    """Logits of several heads `(batch, tokens, sum of outputs)`; those of a text stand beside each of its tokens.

    One output for all tasks: what runs, times and quantizes models knows no more than one. Where all heads are pooled,
    it is `(batch, sum of outputs)`.
    """
    if all(part.dim() == 2 for part in parts):
        return torch.cat(list(parts), dim=1)
    spread = [part if part.dim() == 3 else part.unsqueeze(1).expand(-1, tokens, -1) for part in parts]
    return torch.cat(spread, dim=2)


def _read(body: Any, logits: bool, **inputs: torch.Tensor) -> torch.Tensor:
    answer = body(**inputs).logits if logits else body.base_model(**inputs).last_hidden_state
    read: torch.Tensor = answer
    return read
