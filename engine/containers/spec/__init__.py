"""A container's record to the OCI config.json its runtime executes, with Docker's defaults."""
