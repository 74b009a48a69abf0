// See evg_process.h. The kernel shows the bytes between two addresses, which it has set at exec(3). When the last of
// them is not NUL, it takes them for a title and shows what comes before the first NUL (fs/proc/base.c).
#define _GNU_SOURCE
#include "evg_process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

extern char **environ;

typedef struct { char *arguments, *end_of_arguments, *environment, *end; } area;

static char **arguments;

/// glibc calls what is run at the start, and when a library is loaded, with what main is called with.
__attribute__((constructor)) static void remember(int count, char **values) {
    if (count > 0) arguments = values;
}

/// The fields 48 to 51 of proc(5)'s stat: where arguments and environment begin and end.
static int find(area *found) {
    char text[4096];
    FILE *file = fopen("/proc/self/stat", "re");
    if (!file) return -errno;
    size_t count = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[count] = 0;
    // The second field is a name in brackets, which may have any character.
    char *field = strrchr(text, ')');
    unsigned long addresses[4];
    if (!field) return -ENOENT;
    for (int number = 3; number <= 51; number++) {
        field = strchr(field + 1, ' ');
        if (!field) return -ENOENT;
        if (number >= 48) addresses[number - 48] = strtoul(field + 1, NULL, 10);
    }
    *found = (area){(char *)addresses[0], (char *)addresses[1], (char *)addresses[2], (char *)addresses[3]};
    if (!found->arguments || found->end_of_arguments <= found->arguments) return -ENOENT;
    // Under valgrind these are the words of valgrind, which reads them again in each child.
    if (!arguments || arguments[0] != found->arguments) return -ENOTSUP;
    // The environment is of use where it follows directly, as execve(2) lays it out.
    if (found->environment != found->end_of_arguments || found->end < found->environment) {
        found->end = found->end_of_arguments;
    }
    return 0;
}

/// Gives variables that lie in the area a place of their own.
static int move_environment(const area *place) {
    for (char **entry = environ; entry && *entry; entry++) {
        if (*entry < place->environment || *entry >= place->end) continue;
        char *copy = strdup(*entry);
        if (!copy) return -ENOMEM;
        *entry = copy;
    }
    return 0;
}

int evg_set_title(const char *title, const char *name) {
    static area place;
    static int has_moved;
    prctl(PR_SET_NAME, name);
    if (!place.arguments) {
        int result = find(&place);
        if (result) {
            place.arguments = NULL;
            return result;
        }
    }
    size_t room = (size_t)(place.end_of_arguments - place.arguments);
    size_t all = (size_t)(place.end - place.arguments);
    size_t length = strlen(title);
    if (length + 2 > room && all > room && !has_moved) {
        int result = move_environment(&place);
        if (result) return result;
        has_moved = 1;
    }
    size_t usable = has_moved ? all : room;
    if (usable < 2) return -ENOSPC;
    if (length > usable - 2) length = usable - 2;
    memset(place.arguments, 0, usable);
    memcpy(place.arguments, title, length);
    // The sign that this is a title; one that is longer has another byte there.
    if (length + 1 < room) place.end_of_arguments[-1] = '.';
    return 0;
}
