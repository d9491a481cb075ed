"""When, and in what order; the operators' view; the command line. Imports everything, is imported by nobody."""
