"""What DfE does by hand, and asks: authorise, void, adjust, put aside, history, payments."""
