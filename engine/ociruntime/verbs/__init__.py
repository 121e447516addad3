"""One module a verb: what `berth-runtime <verb>` does, as `run(call)`."""
