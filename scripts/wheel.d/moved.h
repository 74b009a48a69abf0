/* What the extension calls of libpthread, libdl and librt, which are part of libc since glibc 2.34: the library that
 * had it before, its version there, its names. For a macro `moved` in assembly.
 */
    moved libdl, 2.2.5, dladdr, dlclose, dlerror, dlopen, dlsym
    moved libpthread, 2.2.5, pthread_attr_getstack, pthread_create, pthread_detach, pthread_getattr_np
    moved libpthread, 2.2.5, pthread_getspecific
    moved libpthread, 2.2.5, pthread_key_create, pthread_key_delete, pthread_kill, pthread_mutexattr_destroy
    moved libpthread, 2.2.5, pthread_mutexattr_init, pthread_mutexattr_settype, pthread_once, pthread_rwlock_destroy
    moved libpthread, 2.2.5, pthread_rwlock_init, pthread_rwlock_rdlock, pthread_rwlock_unlock, pthread_rwlock_wrlock
    moved libpthread, 2.2.5, pthread_setspecific, pthread_sigmask
    moved libpthread, 2.2.5, sem_destroy, sem_init, sem_open, sem_post, sem_timedwait, sem_wait
    moved libpthread, 2.3.3, pthread_condattr_setclock
    moved libpthread, 2.3.4, pthread_getaffinity_np
    moved libpthread, 2.12, pthread_setname_np
    moved librt, 2.3.3, timer_create, timer_settime
