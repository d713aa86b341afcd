"""The agent: a light daemon at a site or on a device. It dials out, works locally, and lets only ciphertext out."""

import autoglm_protos  # noqa: F401  pins TLS 1.3, which must happen before any module loads grpc
