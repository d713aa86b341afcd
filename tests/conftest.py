"""TLS 1.3 is pinned when grpc is loaded, so this package comes before any test module that imports grpc."""

import autoglm_protos

assert autoglm_protos.IMPORTED_FIRST
