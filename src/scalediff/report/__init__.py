"""What people see of a run: the lines on the terminal and the one-file report."""
