/* Header fields -> environ entries. Law: a name with an underscore, and Proxy, never reach the app (they could shadow
 * X-Y by X_Y, or become HTTP_PROXY); repeated fields are joined in order; keys are interned and found by one hash. */
#include "internal.h"

#include <string.h>

enum { slots = 512, capacity = 256, longest_name = 40, longest_value = 128 };

typedef struct key_entry {
    PyObject *key;                  /* interned "HTTP_..." (NULL: empty slot); Py_None: never shown to the app */
    PyObject *value;                /* the value seen last: most clients repeat themselves */
    uint64_t stamp;                 /* the request that set this key last */
    uint8_t name_count, value_count;
    bool keeps_value;
    char name[longest_name];        /* lower case */
    uint8_t last[longest_value];
} key_entry;

static key_entry table[slots];
static unsigned used;
static uint64_t current;

static inline uint8_t folded(uint8_t byte) { return byte >= 'A' && byte <= 'Z' ? byte + 32 : byte; }

static PyObject *make_key(const uint8_t *name, size_t count) {
    PyObject *key = NULL;
    char small[5 + longest_name];
    char *text = count <= longest_name ? small : PyMem_Malloc(5 + count);
    if (!text) return PyErr_NoMemory();
    memcpy(text, "HTTP_", 5);
    for (size_t i = 0; i < count; i++) {
        uint8_t byte = name[i];
        text[5 + i] = (char)(byte == '-' ? '_' : byte >= 'a' && byte <= 'z' ? byte - 32 : byte);
    }
    bool content = (count == 12 && !memcmp(text, "HTTP_CONTENT_TYPE", 17))
        || (count == 14 && !memcmp(text, "HTTP_CONTENT_LENGTH", 19));
    size_t skip = content ? 5 : 0;
    key = PyUnicode_DecodeLatin1(text + skip, (Py_ssize_t)(5 + count - skip), NULL);
    if (text != small) PyMem_Free(text);
    if (key) PyUnicode_InternInPlace(&key);
    return key;
}

/* The entry of a name, made on first sight; NULL without an exception when the table is full or the name too long. */
static key_entry *lookup(const uint8_t *name, size_t count, bool *failed) {
    *failed = false;
    if (count > longest_name) return NULL;
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < count; i++) hash = (hash ^ (name[i] | 0x20)) * 16777619u;
    for (uint32_t slot = hash % slots;; slot = (slot + 1) % slots) {
        key_entry *entry = &table[slot];
        if (entry->key) {
            if (entry->name_count != count) continue;
            size_t i = 0;
            while (i < count && (uint8_t)entry->name[i] == folded(name[i])) i++;
            if (i == count) return entry;
            continue;
        }
        if (used == capacity) return NULL;
        PyObject *key = make_key(name, count);
        if (!key) {
            *failed = true;
            return NULL;
        }
        for (size_t i = 0; i < count; i++) entry->name[i] = (char)folded(name[i]);
        entry->name_count = (uint8_t)count;
        entry->key = key;
        entry->keeps_value = true;
        used++;
        return entry;
    }
}

static key_entry *known(const char *name) {
    bool failed;
    return lookup((const uint8_t *)name, strlen(name), &failed);
}

int evg_py_field_keys_init(void) {
    static const char *const common[] = {
        "host", "user-agent", "accept", "accept-encoding", "accept-language", "connection", "content-type",
        "content-length", "transfer-encoding", "referer", "origin", "cookie", "authorization", "cache-control",
        "pragma", "range", "if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "if-range",
        "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-real-ip", "x-request-id",
        "x-requested-with", "x-csrftoken", "forwarded", "via", "te", "expect", "upgrade",
        "upgrade-insecure-requests", "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "sec-fetch-user",
        "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "dnt", "priority", "traceparent", "tracestate",
    };
    /* Secrets, and what never repeats, are not kept past their request. */
    static const char *const unkept[] = {
        "cookie", "authorization", "proxy-authorization", "x-csrftoken", "x-request-id", "traceparent",
        "content-length", "x-api-key", "if-none-match",
    };
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        if (!known(common[i])) return -1;
    for (size_t i = 0; i < sizeof unkept / sizeof *unkept; i++) {
        key_entry *entry = known(unkept[i]);
        if (!entry) return -1;
        entry->keeps_value = false;
    }
    key_entry *proxy = known("proxy");
    if (!proxy) return -1;
    Py_DECREF(proxy->key);
    Py_INCREF(Py_None);
    proxy->key = Py_None;
    return 0;
}

void evg_py_field_keys_begin(void) { current++; }

static int join(PyObject *environ, PyObject *key, PyObject *value) {
    PyObject *earlier = PyDict_GetItemWithError(environ, key);
    if (!earlier) return PyErr_Occurred() ? -1 : PyDict_SetItem(environ, key, value);
    bool cookie = PyUnicode_CompareWithASCIIString(key, "HTTP_COOKIE") == 0;
    PyObject *joined = PyUnicode_FromFormat(cookie ? "%U; %U" : "%U,%U", earlier, value);
    if (!joined) return -1;
    int status = PyDict_SetItem(environ, key, joined);
    Py_DECREF(joined);
    return status;
}

static PyObject *make_value(key_entry *entry, const uint8_t *base, size_t count) {
    if (!entry || !entry->keeps_value || count > longest_value) return evg_py_latin1(base, count);
    if (entry->value && entry->value_count == count && memcmp(entry->last, base, count) == 0) {
        Py_INCREF(entry->value);
        return entry->value;
    }
    PyObject *value = evg_py_latin1(base, count);
    if (!value) return NULL;
    memcpy(entry->last, base, count);
    entry->value_count = (uint8_t)count;
    Py_INCREF(value);
    PyObject *old = entry->value;
    entry->value = value;
    Py_XDECREF(old);
    return value;
}

int evg_py_field_set(PyObject *environ, const uint8_t *bytes, const evg_py_field *field, bool skip_host) {
    const uint8_t *name = bytes + field->name.start;
    size_t count = field->name.count;
    if (memchr(name, '_', count)) return 0;
    bool failed;
    key_entry *entry = lookup(name, count, &failed);
    if (failed) return -1;
    if (entry && (entry->key == Py_None || (skip_host && entry->key == evg_py_name.http_host))) return 0;
    PyObject *value = make_value(entry, bytes + field->value.start, field->value.count);
    if (!value) return -1;
    int status;
    if (!entry) {
        PyObject *key = make_key(name, count);
        status = key ? join(environ, key, value) : -1;
        Py_XDECREF(key);
    } else if (entry->stamp == current) {
        status = join(environ, entry->key, value);
    } else {
        entry->stamp = current;
        status = PyDict_SetItem(environ, entry->key, value);
    }
    Py_DECREF(value);
    return status;
}
