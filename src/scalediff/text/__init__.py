"""Pure functions on text: comparing, n-grams, duplicates, contamination, loops, thoughts."""
