"""The command line: parses options, calls one library function, shows the result."""
