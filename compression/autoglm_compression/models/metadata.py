"""Notes inside an ONNX file: how a model's outputs are to be read (tag scheme, decoding options).

They travel in the model's `metadata_props`, so that one artifact, known by one hash, says all that whoever runs it must
know. A file beside the model was rejected: it can be lost or belong to another one. A runtime hands the notes out
without a parser (`InferenceSession.get_modelmeta().custom_metadata_map`), which is what a site without `onnx` uses.
"""

from __future__ import annotations


def annotate(model: bytes, key: str, value: str) -> bytes:
    """`model` with the note `key`, in the place of an older one of that name; other notes stay."""
    from onnx import ModelProto

    proto = ModelProto.FromString(model)
    notes = {prop.key: prop.value for prop in proto.metadata_props} | {key: value}
    del proto.metadata_props[:]
    for name in sorted(notes):
        proto.metadata_props.add(key=name, value=notes[name])
    return bytes(proto.SerializeToString(deterministic=True))
