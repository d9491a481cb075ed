"""A made-up extract, from a classroom to the nation. Nobody in it exists."""
