/* What an environ tells of TLS, by the names that Apache's mod_ssl has for it. */
#include "wsgi_call.h"

static const char *const texts[EVG_PY_TLS_VALUES] = {
    [EVG_PY_TLS_HTTPS] = "HTTPS", [EVG_PY_TLS_PROTOCOL] = "SSL_PROTOCOL", [EVG_PY_TLS_CIPHER] = "SSL_CIPHER",
    [EVG_PY_TLS_NAME] = "SSL_TLS_SNI", [EVG_PY_TLS_VERIFY] = "SSL_CLIENT_VERIFY",
    [EVG_PY_TLS_SUBJECT] = "SSL_CLIENT_S_DN", [EVG_PY_TLS_ISSUER] = "SSL_CLIENT_I_DN",
    [EVG_PY_TLS_SERIAL] = "SSL_CLIENT_M_SERIAL", [EVG_PY_TLS_START] = "SSL_CLIENT_V_START",
    [EVG_PY_TLS_END] = "SSL_CLIENT_V_END", [EVG_PY_TLS_PEM] = "SSL_CLIENT_CERT",
};

static PyObject *names[EVG_PY_TLS_VALUES];
/* Most connections have the same of all but the certificate. */
static evg_py_kept_text kept[EVG_PY_TLS_VALUES];

int evg_py_tls_init(void) {
    for (int i = 0; i < EVG_PY_TLS_VALUES; i++)
        if (!names[i] && !(names[i] = PyUnicode_InternFromString(texts[i]))) return -1;
    return 0;
}

int evg_py_tls_dress(PyObject *environ, const evg_py_tls *tls) {
    for (int i = 0; i < EVG_PY_TLS_VALUES; i++) {
        evg_py_text value = tls->values[i];
        if (value.base && evg_py_set(environ, names[i], evg_py_kept(&kept[i], value.base, value.count))) return -1;
    }
    return 0;
}
