"""What the kernel says about a server's process tree: CPU time, PSS, context switches, sockets. Reads /proc only."""

import os

TICKS = os.sysconf("SC_CLK_TCK")


def stat(pid):
    """The fields of /proc/PID/stat after the command name, or None when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


class Tree:
    """A process, its descendants and, if it leads a session, all other processes of that session."""

    def __init__(self, pid):
        self.root = pid

    def _stats(self):
        found = {}
        for name in os.listdir("/proc"):
            if name.isdigit() and (fields := stat(name)) and fields[0] != b"Z":
                found[int(name)] = fields
        members, size = {self.root} & set(found), -1
        leads = self.root in found and int(found[self.root][3]) == self.root
        while len(members) != size:
            size = len(members)
            members.update(pid for pid, fields in found.items()
                           if int(fields[1]) in members or (leads and int(fields[3]) == self.root))
        return {pid: found[pid] for pid in sorted(members)}

    def pids(self):
        return list(self._stats())

    def cpu_seconds(self):
        """User and system time of the tree in seconds, including children that have ended."""
        return sum(sum(int(value) for value in fields[11:15]) for fields in self._stats().values()) / TICKS

    def pss_bytes(self):
        """Proportional set size: a page that several processes share counts once."""
        return self._rollup("Pss:")

    def own_pss_bytes(self):
        """PSS without pages of files: other processes share those pages, and their number changes."""
        return self._rollup("Pss_Anon:", "Pss_Shmem:")

    def _rollup(self, *names):
        total = 0
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/smaps_rollup") as file:
                    total += sum(int(line.split()[1]) * 1024 for line in file if line.startswith(names))
            except (OSError, ProcessLookupError):
                continue
        return total

    def context_switches(self):
        """{(pid, thread): (voluntary, involuntary)} of every thread that lives."""
        found = {}
        for pid in self.pids():
            for task in _listed(f"/proc/{pid}/task"):
                try:
                    with open(f"/proc/{pid}/task/{task}/status") as file:
                        counts = [int(line.split()[1]) for line in file if "ctxt_switches" in line]
                    found[pid, task] = tuple(counts)
                except (OSError, ProcessLookupError, ValueError):
                    continue
        return found

    def sockets(self):
        """How many descriptors of each process are sockets: {pid: count}."""
        return {pid: sum(_is_socket(pid, name) for name in _listed(f"/proc/{pid}/fd")) for pid in self.pids()}

    def listening_ports(self):
        """TCP ports that a process of the tree listens on (proc_net_tcp.txt: state 0A)."""
        inodes = {target for pid in self.pids() for name in _listed(f"/proc/{pid}/fd")
                  if (target := _target(pid, name)).startswith("socket:")}
        found = []
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            try:
                with open(table) as file:
                    rows = [line.split() for line in file]
            except FileNotFoundError:
                continue
            found += [int(row[1].rpartition(":")[2], 16) for row in rows
                      if row[3] == "0A" and f"socket:[{row[9]}]" in inodes]
        return found


def _listed(directory):
    try:
        return os.listdir(directory)
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return []


def _target(pid, name):
    try:
        return os.readlink(f"/proc/{pid}/fd/{name}")
    except OSError:
        return ""


def _is_socket(pid, name):
    return _target(pid, name).startswith("socket:")
