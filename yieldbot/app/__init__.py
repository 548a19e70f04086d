"""Use cases: the functions that the doors (command line and others) call."""
