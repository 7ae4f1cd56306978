"""Nouns and contracts; imports nothing but the standard library and pydantic."""
