"""A document studies itself: windows of its text, questions about them, and the rows that these become."""
