"""DfE's records in and out, and how a fresh extract meets what was accepted here."""
