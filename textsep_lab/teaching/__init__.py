"""What chapters need, and how they are run, swept over parameters and kept tidy.

No other room but the command line imports it; every notebook does.
"""
