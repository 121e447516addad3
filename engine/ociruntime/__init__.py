"""An OCI runtime for other engines: the verbs of runc's command line, each in a process of its own.

Every call is a fresh interpreter, so each verb is imported only when it was asked for, and the ones
that engines ask most (state, start, kill) do without typing, json and re.
"""
