/* Python takes what the server has left for its logging. Law: at the end of a turn of the loop, or on a thread of its
 * own, so that a handler that waits, or switches greenlets, finds nothing of Swift's on the stack. */
#include "evg_python_log.h"
#include "runtime.h"

#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

PyObject *evg_py_kept_environs;

static atomic_bool is_left;
static evg_py_log_taker taker = EVG_LOG_LOOP;
static sem_t wakes;

void evg_py_log_taken_by(evg_py_log_taker chosen) { taker = chosen; }

bool evg_py_log_is_left(void) { return atomic_load_explicit(&is_left, memory_order_relaxed); }

void evg_py_log_take(const char *module, const char *function) {
    if (!atomic_exchange(&is_left, false)) return;
    PyObject *home = PyImport_ImportModule(module);
    PyObject *answer = home ? PyObject_CallMethod(home, function, NULL) : NULL;
    if (!answer) evg_py_report(NULL, "logging");
    Py_XDECREF(answer);
    Py_XDECREF(home);
}

static void *take_beside(void *unused) {
    (void)unused;
    PyGILState_Ensure();
    for (;;) {
        PyThreadState *state = PyEval_SaveThread();
        while (sem_wait(&wakes)) continue;
        PyEval_RestoreThread(state);
        evg_py_log_take("evgateway.logqueue", "drain");
    }
    return NULL;
}

/* Signals are for the loop's thread. */
static void start_thread(void) {
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    sem_init(&wakes, 0, 0);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, take_beside, NULL) == 0) pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void evg_py_log_left(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (atomic_exchange(&is_left, true) || taker != EVG_LOG_THREAD) return;
    pthread_once(&once, start_thread);
    sem_post(&wakes);
}

int evg_py_keep_environ(const evg_request_head *head, PyObject *environ) {
    PyObject *key = PyLong_FromVoidPtr((void *)head);
    int status = key ? PyDict_SetItem(evg_py_kept_environs, key, environ) : -1;
    Py_XDECREF(key);
    return status;
}

static PyObject *text_of(evg_py_text text) { return evg_py_latin1(text.base, text.count); }

static PyObject *bytes_of(evg_py_text text) {
    return PyBytes_FromStringAndSize((const char *)text.base, (Py_ssize_t)text.count);
}

static PyObject *utf8_of(evg_py_text text) {
    return PyUnicode_DecodeUTF8((const char *)text.base, (Py_ssize_t)text.count, "backslashreplace");
}

static evg_py_text part(const evg_request_head *head, struct evg_slice slice) {
    return (evg_py_text){head->bytes + slice.start, slice.count};
}

/* [(name, value)] */
static PyObject *fields_of(const evg_request_head *head) {
    PyObject *list = PyList_New(head->field_count);
    for (uint32_t i = 0; list && i < head->field_count; i++) {
        PyObject *pair = Py_BuildValue("(NN)", bytes_of(part(head, head->fields[i].name)),
                                       bytes_of(part(head, head->fields[i].value)));
        if (!pair || PyList_SetItem(list, i, pair)) Py_CLEAR(list);
    }
    return list;
}

static PyObject *request_of(const evg_py_log_entry *entry) {
    const evg_request_head *head = entry->head;
    return Py_BuildValue(
        "(iiKNdNiNNKNNNNiN)", (int)entry->kind, (int)entry->status, (unsigned long long)entry->sent,
        bytes_of(entry->lines), entry->seconds, text_of(entry->address), (int)entry->port, text_of(entry->scheme),
        utf8_of(entry->formatted), (unsigned long long)(uintptr_t)head, text_of(part(head, head->method)),
        text_of(part(head, head->target)), text_of(part(head, head->path)), text_of(part(head, head->query)),
        head->version == EVG_HTTP_2 ? 2 : head->version == EVG_HTTP_11, fields_of(head));
}

/* log_next() -> what was left, as evgateway.logqueue.take takes it, or None */
static PyObject *next(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    evg_py_log_entry entry = {.kind = EVG_LOG_REOPEN};
    if (!evg_swift_log_next(&entry)) Py_RETURN_NONE;
    switch (entry.kind) {
    case EVG_LOG_LINE:
        return Py_BuildValue("(iiN)", (int)entry.kind, (int)entry.level, utf8_of(entry.text));
    case EVG_LOG_REQUEST:
        return request_of(&entry);
    case EVG_LOG_REFUSED:
        return Py_BuildValue("(iiKNdNiNNN)", (int)entry.kind, (int)entry.status, (unsigned long long)entry.sent,
                             bytes_of(entry.lines), entry.seconds, text_of(entry.address), (int)entry.port,
                             text_of(entry.scheme), utf8_of(entry.formatted), bytes_of(entry.text));
    case EVG_LOG_REOPEN:
        break;
    }
    return Py_BuildValue("(i)", (int)entry.kind);
}

/* log_environs(dict): from here on the environs of requests are put there, by the address of the request's head. */
static PyObject *keep_environs(PyObject *module, PyObject *dict) {
    (void)module;
    Py_INCREF(dict);
    Py_XDECREF(evg_py_kept_environs);
    evg_py_kept_environs = dict;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"log_next", next, METH_NOARGS, "log_next() -> the next of what the server has left for Python's logging, or None"},
    {"log_environs", keep_environs, METH_O, "log_environs(dict): keeps the environs of requests there"},
    {NULL, NULL, 0, NULL},
};

int evg_py_log_ready(PyObject *module) { return PyModule_AddFunctions(module, functions); }
