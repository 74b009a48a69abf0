#define _GNU_SOURCE
#include "evg_stack_signal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static struct {
    int descriptor;
    pid_t process;
    dev_t device;
    ino_t inode;
    void (*writers[2])(int);    /* the handlers of the host's language; NULL where it has none */
    void (*fatal)(int);         /* its handler of SIGABRT, which writes the same */
} here = {.descriptor = -1};

int evg_stack_signal(bool all_threads) { return all_threads ? SIGRTMAX - 4 : SIGRTMAX - 3; }

int evg_stack_pipe(int ends[2]) {
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK)) return -1;
    /* For the stacks of many threads; the kernel takes the memory when it is used. It may refuse: 64 KB will do. */
    fcntl(ends[1], F_SETPIPE_SZ, 1 << 18);
    return 0;
}

static bool is_own_pipe(void) {
    struct stat now;
    return here.process == getpid() && !fstat(here.descriptor, &now) && now.st_dev == here.device
        && now.st_ino == here.inode;
}

static void write_stacks(int number) {
    int before = errno;
    if (is_own_pipe()) {
        bool all = number == evg_stack_signal(true);
        void (*writer)(int) = here.writers[all];
        if (writer) writer(number);
        /* Who asks for all threads aborts when the mark has come: the log need not have them twice. */
        struct sigaction former, quiet = {.sa_handler = SIG_DFL};
        bool is_last = all && writer && here.fatal && !sigaction(SIGABRT, NULL, &former)
            && former.sa_handler == here.fatal && !sigaction(SIGABRT, &quiet, NULL);
        if (write(here.descriptor, "", 1) != 1 && is_last) sigaction(SIGABRT, &former, NULL);
    }
    errno = before;
}

static void install(int number, int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = write_stacks;
    action.sa_flags = flags | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void evg_stack_signal_open(int descriptor) {
    struct stat now;
    if (fstat(descriptor, &now)) return;
    here.descriptor = descriptor;
    here.process = getpid();
    here.device = now.st_dev;
    here.inode = now.st_ino;
    here.writers[false] = here.writers[true] = NULL;
    here.fatal = NULL;
    for (int all = 0; all < 2; all++) install(evg_stack_signal(all), 0);
}

static bool is_handler(const struct sigaction *action) {
    return action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN && action->sa_handler != write_stacks;
}

void evg_stack_signal_take_over(bool takes_back_abort) {
    for (int all = 0; all < 2; all++) {
        struct sigaction now;
        if (sigaction(evg_stack_signal(all), NULL, &now) || !is_handler(&now)) continue;
        here.writers[all] = now.sa_handler;
        install(evg_stack_signal(all), now.sa_flags & SA_ONSTACK);
    }
    struct sigaction abort;
    if (takes_back_abort && !sigaction(SIGABRT, NULL, &abort) && is_handler(&abort)) here.fatal = abort.sa_handler;
}
