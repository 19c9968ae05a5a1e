"""The paper's claims: the runs they need, and a verdict on each from what the runs gave."""

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims import CLAIMS
from deepcollapse.reproduce.evidence import Evidence, PartEvidence
from deepcollapse.reproduce.ledger import Finding, Ledger, ledger, other_failures
from deepcollapse.reproduce.reproduction import reproduction
from deepcollapse.reproduce.scope import SIZES
from deepcollapse.reproduce.verdict import VERDICTS, Judgement, Verdict

__all__ = [
    "CLAIMS",
    "SIZES",
    "VERDICTS",
    "Claim",
    "Evidence",
    "Finding",
    "Judgement",
    "Ledger",
    "PartEvidence",
    "Verdict",
    "ledger",
    "other_failures",
    "reproduction",
]
