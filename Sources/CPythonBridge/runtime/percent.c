/* Percent-decoding of a path. A stray % stays as it is: what it means is the app's to say. */
#include "runtime.h"

static int hex(uint8_t byte) {
    if (byte >= '0' && byte <= '9') return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

PyObject *evg_py_percent_decoded(const uint8_t *base, size_t count, evg_py_decoder decode, const char *errors) {
    uint8_t small[1024];
    uint8_t *out = count <= sizeof small ? small : PyMem_Malloc(count);
    if (!out) return PyErr_NoMemory();
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        int high, low;
        if (base[i] == '%' && count - i > 2 && (high = hex(base[i + 1])) >= 0 && (low = hex(base[i + 2])) >= 0) {
            out[length++] = (uint8_t)(high << 4 | low);
            i += 2;
        } else {
            out[length++] = base[i];
        }
    }
    PyObject *text = decode((const char *)out, (Py_ssize_t)length, errors);
    if (out != small) PyMem_Free(out);
    return text;
}
