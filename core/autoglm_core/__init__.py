"""The vocabulary that both daemons share. Standard library, numpy and cryptography only; no I/O."""
