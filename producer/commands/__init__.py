"""The commands of the command line, a module for each topic; cli.py loads the one that is asked for."""
