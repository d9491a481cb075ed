"""The truth: tables, records as frames, the exchange's own ledger, DfE's extract in and out. Imports schemas only."""
