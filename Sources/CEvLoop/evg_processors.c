// See evg_process.h. The set is as large as the kernel may need, which can be more than cpu_set_t has room for.
#define _GNU_SOURCE
#include "evg_process.h"

#include <errno.h>
#include <sched.h>

enum { MOST = 8192 };

int evg_processors(int *numbers, int count) {
    cpu_set_t set[MOST / CPU_SETSIZE];
    CPU_ZERO_S(sizeof set, set);
    if (sched_getaffinity(0, sizeof set, set)) return -errno;
    int found = 0;
    for (int number = 0; number < MOST; number++) {
        if (!CPU_ISSET_S(number, sizeof set, set)) continue;
        if (found < count) numbers[found] = number;
        found++;
    }
    return found;
}

int evg_use_processor(int number) {
    cpu_set_t set[MOST / CPU_SETSIZE];
    CPU_ZERO_S(sizeof set, set);
    if (number < 0 || number >= MOST) return -EINVAL;
    CPU_SET_S(number, sizeof set, set);
    return sched_setaffinity(0, sizeof set, set) ? -errno : 0;
}

int evg_interrupt_nobody(void) {
    struct sched_param none = {0};
    return sched_setscheduler(0, SCHED_BATCH, &none) ? -errno : 0;
}
