/* Binds the extension to old versions of what it calls of glibc, so that it loads into every glibc since 2.17 although
 * it is linked with a newer one. Law: only symbols whose old version does the same, of an object that is linked into the
 * extension alone.
 *
 * Each name is defined here, hidden, as a jump to its old version. All other objects of the extension find this one, and
 * the linker puts the old versions into the extension's table. Other machines than x86-64 have other versions: there,
 * nothing is defined, and the wheel's platform tag becomes what the linked glibc demands.
 */
#if defined(__x86_64__)

/* name: as the objects call it. of, version: what it jumps to. */
.macro alias name, of, version
    .symver old_\name, \of@GLIBC_\version
    .globl \name
    .hidden \name
    .type \name, @function
\name:
    jmp old_\name@PLT
    .size \name, . - \name
.endm

.macro old version, names:vararg
    .irp name, \names
    alias \name, \name, \version
    .endr
.endm

/* The struct's version as the first argument, before those of the name. */
.macro status name, of
    .symver old_\name, \of@GLIBC_2.2.5
    .globl \name
    .hidden \name
    .type \name, @function
\name:
    movq %rsi, %rdx
    movq %rdi, %rsi
    movl $1, %edi
    jmp old_\name@PLT
    .size \name, . - \name
.endm

    .text

/* Those that were in other libraries than libc. */
    .macro moved library, version, names:vararg
    old \version, \names
    .endm
#include "moved.h"

/* The newer ones leave out a variant of error handling that has been deprecated for long. */
    old 2.2.5, exp, exp2, exp2f, expf, hypotf, log, log2, log2f, logf, powf

/* On a 64-bit machine, files have always been large. */
    alias fcntl64, fcntl, 2.2.5

    status stat, __xstat
    status lstat, __lxstat
    status fstat, __fxstat
    status fstat64, __fxstat64

/* libstdc++ is told that there may be threads, and counts references with atomic instructions. */
    .section .rodata
    .globl __libc_single_threaded
    .hidden __libc_single_threaded
    .type __libc_single_threaded, @object
__libc_single_threaded:
    .byte 0
    .size __libc_single_threaded, 1
    .text

/* A system call that glibc has a function for since 2.27. */
    .symver old_syscall, syscall@GLIBC_2.2.5
    .globl memfd_create
    .hidden memfd_create
    .type memfd_create, @function
memfd_create:
    movl %esi, %edx
    movq %rdi, %rsi
    movl $319, %edi
    xorl %eax, %eax
    jmp old_syscall@PLT
    .size memfd_create, . - memfd_create

/* Another one, since 2.25, which OpenSSL asks for random bytes. */
    .globl getentropy
    .hidden getentropy
    .type getentropy, @function
getentropy:
    xorl %ecx, %ecx
    movq %rsi, %rdx
    movq %rdi, %rsi
    movl $318, %edi
    subq $8, %rsp
    call old_syscall@PLT
    addq $8, %rsp
    sarq $63, %rax
    ret
    .size getentropy, . - getentropy

#endif

    .section .note.GNU-stack, "", @progbits
