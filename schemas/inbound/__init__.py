"""Bytes from a provider → a sheet of cells: reading, what was meant, what a spreadsheet did, the rules of form."""
