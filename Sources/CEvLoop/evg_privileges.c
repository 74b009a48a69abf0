// See evg_process.h. The order is that of setpriv(1): groups, group, user, and then what the user may not have kept.
#define _GNU_SOURCE
#include "evg_process.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int has_groups(const gid_t *groups, size_t count) {
    gid_t own[256];
    int found = getgroups(256, own);
    if (found < 0) return 0;
    for (int i = 0; i < found; i++) {
        size_t j = 0;
        while (j < count && groups[j] != own[i]) j++;
        if (j == count) return 0;
    }
    return 1;
}

static int drop_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &header, none) ? -errno : 0;
}

int evg_become_user(uid_t user, gid_t group, const gid_t *groups, size_t count) {
    // A user namespace may forbid it; then the groups that are there must not be more than the wanted ones.
    if (setgroups(count, groups) && !has_groups(groups, count)) return -errno;
    if (setresgid(group, group, group) || setresuid(user, user, user)) return -errno;
    uid_t users[3];
    gid_t ids[3];
    if (getresuid(&users[0], &users[1], &users[2]) || getresgid(&ids[0], &ids[1], &ids[2])) return -errno;
    for (int i = 0; i < 3; i++) {
        if (users[i] != user || ids[i] != group) return -EPERM;
    }
    if (user != 0) {
        // Where the secure bits of root are changed, they outlive setresuid(2).
        int result = drop_capabilities();
        if (result) return result;
        if (setuid(0) == 0 || seteuid(0) == 0 || (group != 0 && setgid(0) == 0)) return -EPERM;
    }
    prctl(PR_SET_DUMPABLE, 1);
    return 0;
}

int evg_use_files_as(uid_t user, gid_t group, const gid_t *groups, size_t count, evg_groups *was) {
    was->count = getgroups(256, was->groups);
    if (was->count < 0 || setgroups(count, groups)) return -errno;
    setfsgid(group);
    setfsuid(user);
    return 0;
}

int evg_use_files_as_before(const evg_groups *was) {
    setfsuid(geteuid());
    setfsgid(getegid());
    return setgroups((size_t)was->count, was->groups) ? -errno : 0;
}
