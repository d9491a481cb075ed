"""`ectx`, a file a group of commands."""
