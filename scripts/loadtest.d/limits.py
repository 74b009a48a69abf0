"""What this machine allows: descriptors, ports, memory, processors. The descriptor limit is raised as far as may be."""

import os
import platform
import resource

# A client process needs these for itself: its pipe, the poll, the interpreter's own, those of siblings.
SPARE_DESCRIPTORS = 200


def raise_descriptor_limit():
    """To the hard limit, which nobody but root may go beyond; returns the limit per process that there is now."""
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
    """As a result's `machine`."""
    return {
        "cpus": len(os.sched_getaffinity(0)), "memory_bytes": memory("MemTotal"), "kernel": platform.release(),
        "descriptor_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    }


def memory(name):
    """Bytes of a line of /proc/meminfo; with a memory limit on the control group, no more than is left of it."""
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
    """Local ports that one source address has for connections to one server."""
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
