"""The parent of one container: stdio, log, exit record and control socket."""
