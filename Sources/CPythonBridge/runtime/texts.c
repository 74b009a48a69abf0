/* Texts that requests have in common: names, methods, and what was seen last. */
#include "runtime.h"

#include <string.h>

evg_py_methods evg_py_method;

int evg_py_texts_ready(PyObject *module) {
    (void)module;
    const evg_py_interned all[] = {
        {&evg_py_method.get, "GET"}, {&evg_py_method.head, "HEAD"}, {&evg_py_method.post, "POST"},
        {&evg_py_method.put, "PUT"}, {&evg_py_method.delete_, "DELETE"},
    };
    return evg_py_intern(all, sizeof all / sizeof *all);
}

int evg_py_intern(const evg_py_interned *all, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!*all[i].slot && !(*all[i].slot = PyUnicode_InternFromString(all[i].text))) return -1;
    return 0;
}

PyObject *evg_py_method_text(const uint8_t *base, size_t count) {
    PyObject *known = NULL;
    if (count == 3 && !memcmp(base, "GET", 3)) known = evg_py_method.get;
    else if (count == 4 && !memcmp(base, "POST", 4)) known = evg_py_method.post;
    else if (count == 4 && !memcmp(base, "HEAD", 4)) known = evg_py_method.head;
    else if (count == 3 && !memcmp(base, "PUT", 3)) known = evg_py_method.put;
    else if (count == 6 && !memcmp(base, "DELETE", 6)) known = evg_py_method.delete_;
    if (!known) return evg_py_latin1(base, count);
    Py_INCREF(known);
    return known;
}

PyObject *evg_py_kept(evg_py_kept_text *kept, const uint8_t *base, size_t count) {
    if (!kept->text || kept->count != count || memcmp(kept->bytes, base, count)) {
        PyObject *text = evg_py_latin1(base, count);
        if (!text || count > sizeof kept->bytes) return text;
        Py_XDECREF(kept->text);
        kept->text = text;
        kept->count = count;
        memcpy(kept->bytes, base, count);
    }
    Py_INCREF(kept->text);
    return kept->text;
}

PyObject *evg_py_address_text(evg_py_text address) {
    static evg_py_kept_text last;
    return evg_py_kept(&last, address.base, address.count);
}
