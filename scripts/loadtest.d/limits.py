"""The limits of this machine: descriptors, ports, memory, processors. Raises the soft limit of descriptors."""

import os
import platform
import resource

# Descriptors that a client process needs besides its connections: pipes, the poll, those of the interpreter.
SPARE_DESCRIPTORS = 200


def raise_descriptor_limit():
    """Raises the soft limit to the hard limit, which only root can raise. Returns the limit per process afterwards."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard
    if hard == resource.RLIM_INFINITY:
        wanted = max(soft, _number("/proc/sys/fs/nr_open", 1_048_576))
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    except (ValueError, OSError):
        return soft


def machine():
    """Returns the value of a result's `machine`."""
    return {
        "cpus": len(os.sched_getaffinity(0)), "memory_bytes": memory("MemTotal"), "kernel": platform.release(),
        "descriptor_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    }


def memory(name):
    """Returns the bytes of a line of /proc/meminfo, but not more than the control group's memory limit leaves."""
    found = 0
    with open("/proc/meminfo") as file:
        for line in file:
            if line.startswith(name + ":"):
                found = int(line.split()[1]) * 1024
    limit = _number("/sys/fs/cgroup/memory.max", 0)
    if limit:
        used = _number("/sys/fs/cgroup/memory.current", 0) if name == "MemAvailable" else 0
        found = min(found, max(0, limit - used))
    return found


def ports():
    """How many connections to one server are possible from one source address, because of its local ports."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        first, last = map(int, file.read().split())
    return last - first + 1


def accept_queue():
    return _number("/proc/sys/net/core/somaxconn", 4096)


def _number(path, otherwise):
    try:
        with open(path) as file:
            return int(file.read())
    except (OSError, ValueError):
        return otherwise
