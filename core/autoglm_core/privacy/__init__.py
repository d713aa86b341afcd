"""The secure sum: the coordinator learns the sum of the sites' vectors and nothing else about any of them.

Bonawitz et al. 2017 ("Practical Secure Aggregation for Privacy-Preserving Machine Learning"), complete graph, in its
version against a cheating server. Everything here is a pure function or a state machine: bytes go in, instructions
come out; entropy is passed. docs/secure-sum.md has the messages byte by byte, the state tables and the threat model.
"""
