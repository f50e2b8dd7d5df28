"""Penalties on coefficients: L1, L2 and their sum, with all that minimisers and certificates ask of them.

Derivation: docs/derivations/l1.md.
"""

from ._elastic_net import L1, L2, ElasticNet, Penalty

__all__ = ["L1", "L2", "ElasticNet", "Penalty"]
