/* The TLS extension of a scope (ASGI, "TLS Extension"). */
#include "asgi.h"

#include <string.h>

static PyObject *text_or_none(evg_py_text text) {
    if (!text.base) Py_RETURN_NONE;
    return PyUnicode_DecodeUTF8((const char *)text.base, (Py_ssize_t)text.count, "replace");
}

/* Nearly always that of the request before. */
static PyObject *server_certificate(const char *pem) {
    static PyObject *kept;
    if (!pem) Py_RETURN_NONE;
    if (!kept || PyUnicode_CompareWithASCIIString(kept, pem)) {
        PyObject *text = PyUnicode_FromString(pem);
        if (!text) return NULL;
        Py_XDECREF(kept);
        kept = text;
    }
    Py_INCREF(kept);
    return kept;
}

static PyObject *chain_of(const evg_py_tls *tls) {
    PyObject *chain = PyTuple_New((Py_ssize_t)tls->chain_count);
    for (size_t i = 0; chain && i < tls->chain_count; i++) {
        PyObject *pem = text_or_none(tls->chain[i]);
        if (!pem || PyTuple_SetItem(chain, (Py_ssize_t)i, pem)) Py_CLEAR(chain);
    }
    return chain;
}

PyObject *evg_asgi_tls(const evg_py_request *described) {
    const evg_py_tls *tls = described->tls;
    return Py_BuildValue("{sNsNsNsOsisi}", "server_cert", server_certificate(described->tls_certificate),
                         "client_cert_chain", chain_of(tls), "client_cert_name",
                         text_or_none(tls->values[EVG_PY_TLS_SUBJECT]), "client_cert_error", Py_None,
                         "tls_version", (int)tls->version, "cipher_suite", (int)tls->cipher);
}
