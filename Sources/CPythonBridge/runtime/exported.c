/* Finds what CPython exports beyond the stable ABI of 3.9. */
#include "runtime.h"

#include <dlfcn.h>
#include <string.h>

evg_py_exports evg_py_exported;

typedef struct entry {
    const char *name;
    void *place;        /* of a pointer to a function */
    bool must_be;
} entry;

int evg_py_exported_ready(PyObject *module) {
    (void)module;
    evg_py_exports *all = &evg_py_exported;
    const entry entries[] = {
        {"PyUnicode_AsUTF8AndSize", &all->as_utf8_and_size, true},
        {"PyContext_CopyCurrent", &all->context_copy_current, true},
        {"PyContext_Enter", &all->context_enter, true},
        {"PyContext_Exit", &all->context_exit, true},
        {"PyObject_Vectorcall", &all->vectorcall, false},
        {"PyIter_Send", &all->iter_send, false},
        {"PyObject_GetArenaAllocator", &all->get_arena_allocator, false},
        {"PyObject_SetArenaAllocator", &all->set_arena_allocator, false},
    };
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        void *function = dlsym(RTLD_DEFAULT, entries[i].name);
        memcpy(entries[i].place, &function, sizeof function);
        if (function || !entries[i].must_be) continue;
        PyErr_Format(PyExc_ImportError, "this interpreter has no %s", entries[i].name);
        return -1;
    }
    return 0;
}
