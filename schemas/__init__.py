"""What may be said: files from providers, DfE's records, files we send. Imports nobody of ours."""
