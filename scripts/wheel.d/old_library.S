/* One of the libraries that are part of libc since glibc 2.34, as it was: names and versions without code, to link with.
 * So the extension asks the library, and not libc, for each of its names. A loader older than 2.30 gives up at the
 * library that is asked if the name is not there; a newer one goes on to libc, where the name is now.
 *
 * cc -DLIBRARY=librt ... makes librt.
 */
#if defined(__x86_64__)

.macro define name, version
    .symver old_\name, \name@GLIBC_\version
    .globl old_\name
    .type old_\name, @function
old_\name:
.endm

.macro moved library, version, names:vararg
    .ifc \library, LIBRARY
    .irp name, \names
    define \name, \version
    .endr
    .endif
.endm

    .text
#include "moved.h"

#endif

    .section .note.GNU-stack, "", @progbits
