/* The scope of a request (ASGI, HTTP & WebSocket, "HTTP Connection Scope"). Law: a dict of its own for each request;
 * shared in it is only what cannot be changed, and `asgi`. Most clients repeat themselves, so a pair of name and value
 * that was seen last under its name is given again, but for what is secret or never repeats. */
#include "asgi.h"

#include <string.h>

enum { slots = 512, capacity = 256, longest_name = 40, longest_value = 128 };

typedef struct pair_entry {
    PyObject *name;                 /* NULL: empty slot */
    PyObject *pair;                 /* (name, value) with the value seen last, or NULL */
    uint8_t name_count, value_count;
    bool keeps_value;
    uint8_t text[longest_name];     /* lower case */
    uint8_t last[longest_value];
} pair_entry;

static pair_entry table[slots];
static unsigned used;

static struct {
    PyObject *type, *asgi, *http_version, *method, *scheme, *path, *raw_path, *query_string, *root_path, *headers;
    PyObject *client, *server, *extensions, *state;
    PyObject *deadline, *http, *http10, *http11, *slash, *empty_text, *get, *post, *head, *put, *delete;
    PyObject *no_bytes, *slash_bytes, *asgi_value, *extensions_value;
} name;

static PyObject *state;     /* of the lifespan, or NULL */

static inline uint8_t folded(uint8_t byte) { return byte >= 'A' && byte <= 'Z' ? byte + 32 : byte; }

static PyObject *bytes_of(const uint8_t *base, size_t count) {
    return PyBytes_FromStringAndSize((const char *)base, (Py_ssize_t)count);
}

static PyObject *lower(const uint8_t *base, size_t count) {
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)count);
    char *at = bytes ? PyBytes_AsString(bytes) : NULL;
    for (size_t i = 0; at && i < count; i++) at[i] = (char)folded(base[i]);
    return bytes;
}

static pair_entry *lookup(const uint8_t *base, size_t count) {
    if (count > longest_name) return NULL;
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < count; i++) hash = (hash ^ folded(base[i])) * 16777619u;
    for (uint32_t slot = hash % slots;; slot = (slot + 1) % slots) {
        pair_entry *entry = &table[slot];
        if (entry->name) {
            if (entry->name_count != count) continue;
            size_t i = 0;
            while (i < count && entry->text[i] == folded(base[i])) i++;
            if (i == count) return entry;
            continue;
        }
        if (used == capacity || !(entry->name = lower(base, count))) return NULL;
        for (size_t i = 0; i < count; i++) entry->text[i] = folded(base[i]);
        entry->name_count = (uint8_t)count;
        entry->keeps_value = true;
        used++;
        return entry;
    }
}

static PyObject *make_pair(const uint8_t *base, size_t count, const uint8_t *value, size_t value_count) {
    pair_entry *entry = lookup(base, count);
    if (!entry && PyErr_Occurred()) return NULL;
    bool keeps = entry && entry->keeps_value && value_count <= longest_value;
    if (keeps && entry->pair && entry->value_count == value_count && !memcmp(entry->last, value, value_count)) {
        Py_INCREF(entry->pair);
        return entry->pair;
    }
    PyObject *first = entry ? entry->name : lower(base, count);
    PyObject *second = first ? bytes_of(value, value_count) : NULL;
    PyObject *pair = second ? PyTuple_Pack(2, first, second) : NULL;
    Py_XDECREF(second);
    if (!entry) Py_XDECREF(first);
    if (!pair || !keeps) return pair;
    memcpy(entry->last, value, value_count);
    entry->value_count = (uint8_t)value_count;
    PyObject *old = entry->pair;
    Py_INCREF(pair);
    entry->pair = pair;
    Py_XDECREF(old);
    return pair;
}

/* The fields in their order; the authority of an absolute-form target stands for Host (RFC 9112 3.2.2). */
static PyObject *headers(const evg_asgi_head *head) {
    const uint8_t *bytes = head->bytes;
    bool authority = head->authority.count && head->authority.start < head->target.start + head->target.count;
    PyObject *list = PyList_New((Py_ssize_t)head->field_count);
    for (size_t i = 0; list && i < head->field_count; i++) {
        const evg_py_field *field = &head->fields[i];
        evg_py_range value = field->value;
        const uint8_t *text = bytes + field->name.start;
        if (authority && field->name.count == 4 && folded(text[0]) == 'h' && folded(text[1]) == 'o'
            && folded(text[2]) == 's' && folded(text[3]) == 't') value = head->authority;
        PyObject *pair = make_pair(text, field->name.count, bytes + value.start, value.count);
        if (pair) PyList_SetItem(list, (Py_ssize_t)i, pair);
        else Py_CLEAR(list);
    }
    return list;
}

/* Percent-decoded, then UTF-8; what is not UTF-8 is replaced. */
static PyObject *decoded(const uint8_t *base, size_t count) {
    return evg_py_percent_decoded(base, count, PyUnicode_DecodeUTF8, "replace");
}

static int set(PyObject *scope, PyObject *key, PyObject *value) {
    if (!value) return -1;
    int status = PyDict_SetItem(scope, key, value);
    Py_DECREF(value);
    return status;
}

/* path begins with root_path, as SCRIPT_NAME and PATH_INFO together would; a proxy may have cut that off or not. */
static int set_path(PyObject *scope, const evg_asgi_head *head) {
    const uint8_t *base = head->bytes + head->path.start;
    size_t count = head->path.count;
    if (count == 1 && base[0] == '/' && PyDict_GetItem(scope, name.root_path) == name.empty_text) return 0;
    PyObject *path = decoded(base, count);
    PyObject *raw = path ? bytes_of(base, count) : NULL;
    PyObject *root = PyDict_GetItem(scope, name.root_path);
    if (raw && root != name.empty_text && count && base[0] == '/') {
        Py_ssize_t length = PyUnicode_GetLength(root);
        bool inside = PyUnicode_Tailmatch(path, root, 0, length, -1) == 1
            && (PyUnicode_GetLength(path) == length || PyUnicode_ReadChar(path, length) == '/');
        if (!inside) {
            PyObject *whole = PyUnicode_Concat(root, path);
            Py_DECREF(path);
            path = whole;
            PyObject *prefix = PyUnicode_AsUTF8String(root);
            PyBytes_ConcatAndDel(&prefix, raw);
            raw = prefix;
        }
    }
    if (set(scope, name.path, path)) {
        Py_XDECREF(raw);
        return -1;
    }
    return set(scope, name.raw_path, raw);
}

static PyObject *method_text(const uint8_t *base, size_t count) {
    PyObject *known = NULL;
    if (count == 3 && !memcmp(base, "GET", 3)) known = name.get;
    else if (count == 4 && !memcmp(base, "POST", 4)) known = name.post;
    else if (count == 4 && !memcmp(base, "HEAD", 4)) known = name.head;
    else if (count == 3 && !memcmp(base, "PUT", 3)) known = name.put;
    else if (count == 6 && !memcmp(base, "DELETE", 6)) known = name.delete;
    if (!known) return evg_py_latin1(base, count);
    Py_INCREF(known);
    return known;
}

static int set_client(PyObject *scope, const evg_asgi_head *head) {
    static PyObject *last;
    static uint8_t last_bytes[48];
    static size_t last_count;
    evg_py_text address = head->remote_address;
    if (address.count == 0) return 0;
    if (!last || last_count != address.count || memcmp(last_bytes, address.base, address.count)) {
        PyObject *text = evg_py_latin1(address.base, address.count);
        if (!text) return -1;
        Py_XDECREF(last);
        last = text;
        last_count = address.count <= sizeof last_bytes ? address.count : 0;
        memcpy(last_bytes, address.base, last_count);
    }
    PyObject *port = PyLong_FromLong(head->remote_port);
    PyObject *client = port ? PyTuple_Pack(2, last, port) : NULL;
    Py_XDECREF(port);
    return set(scope, name.client, client);
}

/* Of its own for each request, because the deadline in it is. */
static PyObject *extensions(evg_asgi_request *request) {
    PyObject *dict = PyDict_Copy(name.extensions_value);
    if (dict && PyDict_SetItem(dict, name.deadline, (PyObject *)request)) Py_CLEAR(dict);
    return dict;
}

static int fill(PyObject *scope, const evg_asgi_head *head, evg_asgi_request *request) {
    const uint8_t *bytes = head->bytes;
    if (head->http10 && PyDict_SetItem(scope, name.http_version, name.http10)) return -1;
    PyObject *method = method_text(bytes + head->method.start, head->method.count);
    if (method != name.get ? set(scope, name.method, method) : (Py_DECREF(method), 0)) return -1;
    if (set_path(scope, head)) return -1;
    if (head->query.count
        && set(scope, name.query_string, bytes_of(bytes + head->query.start, head->query.count))) return -1;
    if (set(scope, name.headers, headers(head)) || set_client(scope, head)) return -1;
    if (state && set(scope, name.state, PyDict_Copy(state))) return -1;
    return set(scope, name.extensions, extensions(request));
}

PyObject *evg_asgi_scope_build(const evg_asgi_head *head, evg_asgi_request *request) {
    PyObject *scope = head->scope ? PyDict_Copy(head->scope) : PyDict_New();
    if (!scope || fill(scope, head, request) == 0) return scope;
    Py_DECREF(scope);
    return NULL;
}

/* All keys stand in the template, so that the copy is one memcpy; the fillers make room for what frameworks add. */
void *evg_asgi_scope_new(const char *server, int32_t port, const char *root_path) {
    PyObject *root = name.empty_text;
    if (*root_path) root = PyUnicode_DecodeUTF8(root_path, (Py_ssize_t)strlen(root_path), "replace");
    PyObject *host = PyUnicode_DecodeFSDefault(server);
    PyObject *number = port < 0 ? Py_None : PyLong_FromLong(port);
    PyObject *place = host && number ? PyTuple_Pack(2, host, number) : NULL;
    PyObject *scope = PyDict_New();
    bool ok = root && place && scope
        && !PyDict_SetItem(scope, name.type, name.http) && !PyDict_SetItem(scope, name.asgi, name.asgi_value)
        && !PyDict_SetItem(scope, name.http_version, name.http11) && !PyDict_SetItem(scope, name.server, place)
        && !PyDict_SetItem(scope, name.client, Py_None) && !PyDict_SetItem(scope, name.scheme, name.http)
        && !PyDict_SetItem(scope, name.method, name.get) && !PyDict_SetItem(scope, name.root_path, root)
        && !PyDict_SetItem(scope, name.path, name.slash) && !PyDict_SetItem(scope, name.raw_path, name.slash_bytes)
        && !PyDict_SetItem(scope, name.query_string, name.no_bytes)
        && !PyDict_SetItem(scope, name.headers, Py_None) && !PyDict_SetItem(scope, name.extensions, Py_None);
    if (ok && state) ok = !PyDict_SetItem(scope, name.state, Py_None);
    Py_XDECREF(host);
    Py_XDECREF(place);
    if (ok) return scope;
    evg_py_report(NULL, "preparing the scope");
    Py_XDECREF(scope);
    return NULL;
}

/* asgi_state(dict): what lifespan left; each request gets a copy. */
static PyObject *set_state(PyObject *module, PyObject *value) {
    (void)module;
    Py_INCREF(value);
    Py_XDECREF(state);
    state = value;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"asgi_state", set_state, METH_O, "asgi_state(dict): requests get copies of it."},
    {NULL, NULL, 0, NULL},
};

int evg_py_asgi_scope_ready(PyObject *module) { return PyModule_AddFunctions(module, functions); }

int evg_asgi_scope_init(void) {
    if (name.type) return 0;
    const struct { PyObject **slot; const char *text; } texts[] = {
        {&name.type, "type"}, {&name.asgi, "asgi"}, {&name.http_version, "http_version"}, {&name.method, "method"},
        {&name.scheme, "scheme"}, {&name.path, "path"}, {&name.raw_path, "raw_path"},
        {&name.query_string, "query_string"}, {&name.root_path, "root_path"}, {&name.headers, "headers"},
        {&name.client, "client"}, {&name.server, "server"}, {&name.extensions, "extensions"}, {&name.state, "state"},
        {&name.deadline, "evgateway.deadline"}, {&name.http, "http"}, {&name.http10, "1.0"}, {&name.http11, "1.1"},
        {&name.slash, "/"}, {&name.empty_text, ""}, {&name.get, "GET"}, {&name.post, "POST"}, {&name.head, "HEAD"},
        {&name.put, "PUT"}, {&name.delete, "DELETE"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!(*texts[i].slot = PyUnicode_InternFromString(texts[i].text))) return -1;
    name.no_bytes = bytes_of(NULL, 0);
    name.slash_bytes = bytes_of((const uint8_t *)"/", 1);
    name.asgi_value = Py_BuildValue("{ssss}", "version", "3.0", "spec_version", "2.4");
    name.extensions_value = Py_BuildValue("{s{}}", "http.response.pathsend");
    if (!name.no_bytes || !name.slash_bytes || !name.asgi_value || !name.extensions_value) return -1;
    /* Secrets, and what never repeats, are not kept past their request. */
    static const char *const unkept[] = {
        "cookie", "authorization", "proxy-authorization", "x-csrftoken", "x-request-id", "traceparent",
        "content-length", "x-api-key", "if-none-match",
    };
    for (size_t i = 0; i < sizeof unkept / sizeof *unkept; i++) {
        pair_entry *entry = lookup((const uint8_t *)unkept[i], strlen(unkept[i]));
        if (!entry) return -1;
        entry->keeps_value = false;
    }
    return 0;
}
