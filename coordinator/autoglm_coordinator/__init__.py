"""The coordinator daemon."""

# Before any module of this package imports grpc: it pins TLS 1.3.
import autoglm_protos as autoglm_protos
