// See evg_fork.h. The handler does nothing but arm timers that were made before: only that is async-signal-safe.
#define _GNU_SOURCE
#include "evg_fork.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static timer_t abort_timer, kill_timer;
static struct itimerspec until_abort, until_kill;
static volatile sig_atomic_t is_orphan;
// Far from SIGRTMIN, where apps and libraries take theirs.
static int signal_number;
static pid_t parent_process;

static struct itimerspec once_after(double seconds) {
    struct itimerspec setting = {0};
    setting.it_value.tv_sec = (time_t)seconds;
    setting.it_value.tv_nsec = (long)((seconds - (double)setting.it_value.tv_sec) * 1e9);
    return setting;
}

static void parent_has_ended(int number) {
    (void)number;
    // It comes again when the process that has adopted this one ends.
    if (is_orphan) return;
    is_orphan = 1;
    int saved = errno;
    timer_settime(abort_timer, 0, &until_abort, NULL);
    timer_settime(kill_timer, 0, &until_kill, NULL);
    errno = saved;
}

static int make_timer(timer_t *timer, int number) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = number};
    return timer_create(CLOCK_MONOTONIC, &event, timer);
}

int evg_end_after_parent(pid_t parent, double seconds) {
    signal_number = SIGRTMAX - 2;
    parent_process = parent;
    struct sigaction action = {.sa_handler = parent_has_ended, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigfillset(&action.sa_mask);
    until_abort = once_after(seconds);
    until_kill = once_after(seconds + 1);
    if (make_timer(&abort_timer, SIGABRT) || make_timer(&kill_timer, SIGKILL)) return -errno;
    if (sigaction(signal_number, &action, NULL)) return -errno;
    return evg_expect_parents_end();
}

int evg_expect_parents_end(void) {
    if (!parent_process) return 0;
    if (prctl(PR_SET_PDEATHSIG, signal_number)) return -errno;
    if (getppid() != parent_process) raise(signal_number);
    return 0;
}
