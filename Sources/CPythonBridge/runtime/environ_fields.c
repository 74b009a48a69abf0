/* Header fields -> environ entries. Law: Proxy never reaches the app (it would become HTTP_PROXY); a name with an
 * underscore, where the settings let it pass, is no other name for the length or the type of the body; repeated fields
 * are joined in order, and so are X-Y and X_Y; keys are interned. */
#include "wsgi_call.h"

#include <string.h>

#include "repeated_fields.h"

/* Interned "HTTP_NAME"; None for a name that the app never sees. */
static PyObject *make_key(const uint8_t *name, size_t count) {
    char small[5 + evg_field_longest_name];
    char *text = count <= evg_field_longest_name ? small : PyMem_Malloc(5 + count);
    if (!text) return PyErr_NoMemory();
    memcpy(text, "HTTP_", 5);
    for (size_t i = 0; i < count; i++) {
        uint8_t byte = name[i];
        text[5 + i] = (char)(byte == '-' ? '_' : byte >= 'a' && byte <= 'z' ? byte - 32 : byte);
    }
    PyObject *key;
    if (count == 5 && !memcmp(text, "HTTP_PROXY", 10)) {
        key = Py_None;
        Py_INCREF(key);
    } else {
        bool content = !memchr(name, '_', count) && ((count == 12 && !memcmp(text, "HTTP_CONTENT_TYPE", 17))
            || (count == 14 && !memcmp(text, "HTTP_CONTENT_LENGTH", 19)));
        size_t skip = content ? 5 : 0;
        key = PyUnicode_DecodeLatin1(text + skip, (Py_ssize_t)(5 + count - skip), NULL);
        if (key) PyUnicode_InternInPlace(&key);
    }
    if (text != small) PyMem_Free(text);
    return key;
}

static PyObject *make_value(PyObject *key, const uint8_t *base, size_t count) {
    (void)key;
    return evg_py_latin1(base, count);
}

int evg_py_fields_prepare(void) {
    static const evg_field_makers makers = {make_key, make_value};
    return evg_fields_prepare(&makers);
}

static int join(PyObject *environ, PyObject *key, PyObject *value) {
    PyObject *earlier = PyDict_GetItemWithError(environ, key);
    if (!earlier) return PyErr_Occurred() ? -1 : PyDict_SetItem(environ, key, value);
    return evg_py_set(environ, key,
                      PyUnicode_FromFormat(key == evg_py_name.http_cookie ? "%U; %U" : "%U,%U", earlier, value));
}

/* A field whose name is not in the table: too long, or one of too many. */
static int set_unknown(PyObject *environ, const uint8_t *name, size_t count, const uint8_t *base, size_t value_count) {
    PyObject *key = make_key(name, count);
    if (!key) return -1;
    PyObject *value = key == Py_None ? NULL : evg_py_latin1(base, value_count);
    int status = key == Py_None ? 0 : value ? join(environ, key, value) : -1;
    Py_XDECREF(value);
    Py_DECREF(key);
    return status;
}

static int set_all(PyObject *environ, const evg_request_head *head) {
    uint64_t stamp = evg_fields_begin();
    bool joins = head->has_underscore;      /* two names may have the same key */
    for (uint32_t i = 0; i < head->field_count; i++) {
        const struct evg_field *field = &head->fields[i];
        const uint8_t *name = head->bytes + field->name.start, *base = head->bytes + field->value.start;
        evg_field_entry *entry = evg_fields_find(name, field->name.count);
        if (!entry) {
            if (PyErr_Occurred() || set_unknown(environ, name, field->name.count, base, field->value.count)) return -1;
            continue;
        }
        if (entry->key == Py_None) continue;
        PyObject *value = evg_fields_value(entry, base, field->value.count);
        if (!value) return -1;
        bool again = joins || entry->stamp == stamp;
        entry->stamp = stamp;
        int status = again ? join(environ, entry->key, value) : PyDict_SetItem(environ, entry->key, value);
        Py_DECREF(value);
        if (status) return -1;
    }
    return 0;
}

/* What a template and the fields of the request before were made into, without what is secret. */
static struct {
    uint64_t series;
    const evg_py_environ *environ;
    PyObject *constants;
} kept;

/* None holds the place of what is secret, so that it is replaced and not added. */
static int keep(const evg_py_environ *environ, const evg_request_head *head, const evg_repeated_fields *repeated) {
    PyObject *dict = PyDict_Copy(environ->constants);
    int status = dict ? set_all(dict, head) : -1;
    for (uint32_t i = 0; !status && i < repeated->secret_count; i++)
        status = PyDict_SetItem(dict, repeated->entries[i]->key, Py_None);
    if (status) {
        Py_XDECREF(dict);
        return -1;
    }
    PyObject *old = kept.constants;
    kept.constants = dict;
    kept.environ = environ;
    kept.series = repeated->series;
    Py_XDECREF(old);
    return 0;
}

static int set_secrets(PyObject *environ, const evg_request_head *head, const evg_repeated_fields *repeated) {
    for (uint32_t i = 0; i < repeated->secret_count; i++) {
        struct evg_slice value = head->fields[repeated->secrets[i]].value;
        if (evg_py_set(environ, repeated->entries[i]->key, evg_py_latin1(head->bytes + value.start, value.count)))
            return -1;
    }
    return 0;
}

static PyObject *finished(PyObject *environ, int status) {
    if (status) Py_CLEAR(environ);
    return environ;
}

PyObject *evg_py_fields_dict(const evg_py_environ *environ, const evg_request_head *head) {
    evg_repeated_fields repeated;
    if (!evg_fields_repeat(head, &repeated)) {
        PyObject *dict = PyDict_Copy(environ->constants);
        int status = dict ? set_all(dict, head) : -1;
        if (!status) evg_fields_remember(head);
        return finished(dict, status);
    }
    if ((kept.series != repeated.series || kept.environ != environ) && keep(environ, head, &repeated)) return NULL;
    PyObject *constants = kept.constants;
    Py_INCREF(constants);
    PyObject *dict = PyDict_Copy(constants);
    Py_DECREF(constants);
    return finished(dict, dict ? set_secrets(dict, head, &repeated) : -1);
}
