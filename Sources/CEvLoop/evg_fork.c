// See evg_fork.h. Between fork and the moment when the mask is empty, only async-signal-safe calls are made.
#define _GNU_SOURCE
#include "evg_fork.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static sigset_t set_of(const int *numbers, size_t count) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++) sigaddset(&set, numbers[i]);
    return set;
}

void evg_block_signals(const int *numbers, size_t count) {
    sigset_t set = set_of(numbers, count);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void evg_unblock_signals(const int *numbers, size_t count) {
    sigset_t set = set_of(numbers, count);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void reset_signals(const int *held, size_t count) {
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) != 0) continue;
        if (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN) continue;
        action.sa_flags = 0;
        action.sa_handler = SIG_DFL;
        sigemptyset(&action.sa_mask);
        sigaction(number, &action, NULL);
    }
    sigset_t mask = set_of(held, count);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

void evg_end_with_parent(pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
}

void evg_tell_of_parents_end(int number) { prctl(PR_SET_PDEATHSIG, number); }

pid_t evg_fork(const int *held, size_t count) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0) {
        reset_signals(held, count);
        return 0;
    }
    int saved = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return pid;
}

static atomic_bool has_forked;
static void in_parent(void) { has_forked = 1; }

void evg_watch_forks(void) { pthread_atfork(NULL, in_parent, NULL); }

int evg_has_copies(void) { return has_forked; }
void evg_note_copies(void) { has_forked = 1; }

void evg_close_connection(int fd) {
    if (has_forked) shutdown(fd, SHUT_RDWR);
    close(fd);
}
