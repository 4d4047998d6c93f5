"""Seeded synthetic documents with facts and questions, to train and to validate a document hypernetwork.

Every document is a function of (index, seed, split), so a training run resumes exactly. Validation documents share
no entity name parts, statement wordings or question wordings with training documents.
"""

from d2l.synthetic.documents import Document, Draft, draft_document, long_document, synthetic_document, wordings
from d2l.synthetic.needles import NEEDLE_QUESTION, needle_document, noise, prose_needle_document
from d2l.synthetic.questions import NOT_IN_DOCUMENT, Question

__all__ = [
    "NEEDLE_QUESTION",
    "NOT_IN_DOCUMENT",
    "Document",
    "Draft",
    "Question",
    "draft_document",
    "long_document",
    "needle_document",
    "noise",
    "prose_needle_document",
    "synthetic_document",
    "wordings",
]
