"""Runs a command as a unit of systemd would, in what forked workers could stumble over: no capabilities and no new
privileges, MemoryDenyWriteExecute, and the unit's SystemCallFilter. systemd itself is not needed, only its lists.

usage: sandbox.py UNIT COMMAND...
"""

import ctypes
import errno
import functools
import mmap
import os
import re
import subprocess
import sys

PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 24, 38, 47, 4
SHM_EXEC = 0o100000
KILL_PROCESS, ALLOW, REFUSE = 0x80000000, 0x7FFF0000, 0x00050000 | errno.EPERM
MASKED_EQ = 7

libc = ctypes.CDLL(None, use_errno=True)


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp"""
    _fields_ = [("argument", ctypes.c_uint), ("how", ctypes.c_int), ("mask", ctypes.c_uint64),
                ("value", ctypes.c_uint64)]


def has_all(argument, bits):
    return Comparison(argument, MASKED_EQ, bits, bits)


@functools.lru_cache(None)
def group(name):
    """The system calls of a group, those of the groups in it included."""
    if not name.startswith("@"):
        return frozenset([name])
    listed = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", name], capture_output=True, text=True,
                            check=True).stdout
    words = [line.strip() for line in listed.splitlines()[1:]]
    return frozenset().union(*(group(word) for word in words if word and not word.startswith("#")))


def allowed(unit):
    """The system calls that SystemCallFilter of a unit leaves. The first line is a list of what is allowed."""
    lines = re.findall(r"(?m)^SystemCallFilter=(.+)$", unit)
    calls = set(group("@default"))
    for line in lines:
        listed = set().union(*(group(word) for word in line.lstrip("~").split()))
        calls = calls - listed if line.startswith("~") else calls | listed
    return calls


def load(default, rules):
    """Loads a filter: (action, name, comparisons) for each rule."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(default)))
    for action, name, comparisons in rules:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            array = (Comparison * len(comparisons))(*comparisons)
            failed = library.seccomp_rule_add_array(context, ctypes.c_uint32(action), number, len(comparisons), array)
            assert failed == 0, (name, failed)
    failed = library.seccomp_load(context)
    assert failed == 0, f"seccomp_load: {failed}"


def main(unit, command):
    calls = allowed(unit)
    if os.geteuid() == 0:
        for capability in range(64):
            if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
                break
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    assert "\nNoNewPrivileges=yes\n" in unit and libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    if "\nMemoryDenyWriteExecute=yes\n" in unit:
        load(ALLOW, [
            (REFUSE, "mmap", [has_all(2, mmap.PROT_WRITE | mmap.PROT_EXEC)]),
            (REFUSE, "mprotect", [has_all(2, mmap.PROT_EXEC)]),
            (REFUSE, "pkey_mprotect", [has_all(2, mmap.PROT_EXEC)]),
            (REFUSE, "shmat", [has_all(2, SHM_EXEC)]),
        ])
    load(KILL_PROCESS, [(ALLOW, name, []) for name in sorted(calls)])
    os.execvp(command[0], command)


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        main(file.read(), sys.argv[2:])
