"""What keeps the house in order: housekeeping, backup, replay, verifying what was paid."""
