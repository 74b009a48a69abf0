"""What the kernel says about processes: children, sessions, CPU time, descriptors, memory. Reads /proc only."""

import os

TICKS = os.sysconf("SC_CLK_TCK")


def stat(pid):
    """The fields of /proc/PID/stat after the command name, or None when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def alive(pid):
    fields = stat(pid)
    return fields is not None and fields[0] not in (b"Z", b"X")


def sleeps(pid):
    """Whether every thread of a process waits for something."""
    threads = [stat(f"{pid}/task/{thread}") for thread in os.listdir(f"/proc/{pid}/task")]
    return all(fields is None or fields[0] == b"S" for fields in threads)


def children(pid):
    """Living children, oldest first."""
    return sorted(
        child for child in processes() if (fields := stat(child)) and int(fields[1]) == pid and fields[0] != b"Z"
    )


def session_members(session):
    """Living processes of a session: a process that lost its parent still belongs to it."""
    return sorted(
        pid for pid in processes() if (fields := stat(pid)) and int(fields[3]) == session and fields[0] != b"Z"
    )


def cpu_seconds(pid):
    """User and system time, own and of the children it has reaped."""
    fields = stat(pid)
    return sum(int(value) for value in fields[11:15]) / TICKS if fields else 0.0


def context_switches(pid):
    """How often the threads of a process have waited."""
    count = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status") as file:
            count += sum(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt_switches"))
    return count


def watches_alone(pid):
    """Whether an epoll set of a process has entries that wake nobody else (EPOLLEXCLUSIVE)."""
    for name in os.listdir(f"/proc/{pid}/fdinfo"):
        with open(f"/proc/{pid}/fdinfo/{name}") as file:
            for line in file:
                if line.startswith("tfd:") and int(line.split()[3], 16) & 1 << 28:
                    return True
    return False


def descriptor_count(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def open_paths(pid):
    """What the descriptors of a process point to, as the kernel names it."""
    paths = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            paths.add(os.readlink(f"/proc/{pid}/fd/{name}"))
        except FileNotFoundError:
            continue
    return paths


def socket_inodes(pid):
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    return inodes


def resident_bytes(pid):
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0


def established(port):
    """Inodes of the established server-side TCP sockets on a local IPv4 port."""
    inodes = set()
    with open("/proc/net/tcp") as file:
        next(file)
        for line in file:
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == "01":
                inodes.add(fields[9])
    return inodes


def connections_per_process(pids, port):
    """How many established connections on `port` each process holds."""
    inodes = established(port)
    return [len(socket_inodes(pid) & inodes) for pid in pids]
