"""A file checked before it is sent: the rules that intake runs, over what its sender has."""
