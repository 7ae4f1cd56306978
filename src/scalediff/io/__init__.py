"""Files in, files out, ledgers, tables and the run directory."""
