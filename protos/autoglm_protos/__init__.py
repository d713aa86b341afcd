"""The wire: stubs, errors, transport security and enrolment.

grpcio offers no minimum TLS version. It reads this variable when its library is loaded, and with it and ECDSA
certificates a TLS 1.2 client finds no shared cipher, while TLS 1.3 has its own list. So this package must be imported
before grpc; where it was not, `autoglm_protos.tls` refuses to build credentials.
"""

import os
import sys

TLS13_ONLY = "ECDHE-RSA-AES256-GCM-SHA384"
"""A cipher of TLS 1.2 that no ECDSA certificate can use."""

if "grpc" not in sys.modules:
    os.environ["GRPC_SSL_CIPHER_SUITES"] = TLS13_ONLY
IMPORTED_FIRST = os.environ.get("GRPC_SSL_CIPHER_SUITES") == TLS13_ONLY
"""Whether grpc was loaded with that variable."""
