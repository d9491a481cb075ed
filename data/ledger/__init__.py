"""The exchange's own memory, a file a subject. Small questions and small writes, each in a transaction of its own unless it
is handed one."""
