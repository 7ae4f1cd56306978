"""Grading: what answer a response gives, and whether it is the gold. ``answers`` is the door."""
