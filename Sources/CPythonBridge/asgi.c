/* Worker class asgi: what Python's side needs of the extension module. */
#include "internal.h"

int evg_py_asgi_ready(PyObject *module) {
    (void)module;
    return 0;
}
