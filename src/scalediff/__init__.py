"""Scale difficult reasoning problems: ScaleDiff (arXiv 2509.21070) as software."""

__version__ = "0.1.0"
