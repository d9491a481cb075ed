"""DfE's records as an extract has them: tables, and what is checked at a load."""
