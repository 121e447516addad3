"""The runtime's suites on a pure cgroup v2 machine: a virtual one, without hardware support."""
