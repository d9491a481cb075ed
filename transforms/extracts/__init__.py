"""A lead provider's view of DfE's records, a file a module; what changed since the view before."""
