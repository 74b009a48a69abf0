/* What CPython exports beyond the stable ABI of 3.9, by CPython's own names. Law: it is looked up by name when the
 * module is made and never linked, so that abi3audit sees the stable ABI alone; what may be missing is asked for before
 * it is called. */
#ifndef EVG_BRIDGE_EXPORTED_H
#define EVG_BRIDGE_EXPORTED_H

typedef struct evg_py_exports {
    /* Never NULL: in the stable ABI since 3.10; outside of it and unchanged since 3.7.1. */
    const char *(*as_utf8_and_size)(PyObject *text, Py_ssize_t *count);
    PyObject *(*context_copy_current)(void);
    int (*context_enter)(PyObject *context);
    int (*context_exit)(PyObject *context);
    /* NULL in old versions: in the stable ABI since 3.12 and exported since 3.11; in the stable ABI since 3.10. */
    PyObject *(*vectorcall)(PyObject *callable, PyObject *const *arguments, size_t count, PyObject *keywords);
    int (*iter_send)(PyObject *iterator, PyObject *value, PyObject **result);
    /* Outside of the stable ABI: a PyObjectArenaAllocator, the same since CPython 3.4. */
    void (*get_arena_allocator)(void *allocator);
    void (*set_arena_allocator)(void *allocator);
} evg_py_exports;

extern evg_py_exports evg_py_exported;

#define PyUnicode_AsUTF8AndSize evg_py_exported.as_utf8_and_size
#define PyContext_CopyCurrent evg_py_exported.context_copy_current
#define PyContext_Enter evg_py_exported.context_enter
#define PyContext_Exit evg_py_exported.context_exit
#define PyObject_Vectorcall evg_py_exported.vectorcall
#define PyIter_Send evg_py_exported.iter_send
#define PyObject_GetArenaAllocator evg_py_exported.get_arena_allocator
#define PyObject_SetArenaAllocator evg_py_exported.set_arena_allocator

/* Finds them. ImportError when one is missing that must not be. */
int evg_py_exported_ready(PyObject *module);

#endif
