"""Files are judged when they arrive, by processes that are warm."""
