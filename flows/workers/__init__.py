"""Several machines: who starts runs over the work pool, and who does them."""
