"""Practice: the same service over made-up records, where each mailbox has records and a clock of its own."""
