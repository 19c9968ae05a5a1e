"""The claims, in the ledger's order; one file each, beside pieces that several share."""

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.e1 import E1
from deepcollapse.reproduce.claims.e2 import E2
from deepcollapse.reproduce.claims.e3 import E3
from deepcollapse.reproduce.claims.e4 import E4
from deepcollapse.reproduce.claims.e5 import E5
from deepcollapse.reproduce.claims.e6 import E6
from deepcollapse.reproduce.claims.e7 import E7
from deepcollapse.reproduce.claims.e8 import E8
from deepcollapse.reproduce.claims.t1 import T1
from deepcollapse.reproduce.claims.t2 import T2
from deepcollapse.reproduce.claims.t3 import T3
from deepcollapse.reproduce.claims.t4 import T4
from deepcollapse.reproduce.claims.t5 import T5
from deepcollapse.reproduce.claims.t6 import T6
from deepcollapse.reproduce.claims.t7 import T7

__all__ = ["CLAIMS"]

CLAIMS: dict[str, Claim] = {claim.id: claim for claim in (E1, E2, E3, E4, E5, E6, E7, E8, T1, T2, T3, T4, T5, T6, T7)}
"""By id."""
