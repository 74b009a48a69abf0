/* Debian's libev.a is made for programs: it takes the address of `stderr` in a way that a shared object must not. So
 * scripts/wheel renames the one use that it has, in a message before abort(). */
#include <stdio.h>

__attribute__((visibility("hidden"))) FILE *evg_stderr;

__attribute__((constructor)) static void begin(void) { evg_stderr = stderr; }
