/* Worker class threads: what Python's side needs of the extension module. */
#include "internal.h"

int evg_py_threads_ready(PyObject *module) {
    (void)module;
    return 0;
}
