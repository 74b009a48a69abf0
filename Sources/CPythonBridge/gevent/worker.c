/* Worker class gevent: how it is set up. What is easier in Python is in evgateway.gevent_worker. */
#include "gevent.h"

evg_gevent_names evg_gevent_name;
PyObject *evg_gevent_module, *evg_gevent_hub, *evg_gevent_exit, *evg_gevent_input, *evg_gevent_greenlet_type;
bool evg_gevent_cancels_on_disconnect;

int evg_gevent_ready(PyObject *module) {
    return evg_gevent_request_ready(module) || evg_gevent_queue_ready(module) ? -1 : 0;
}

static const char *text_of(PyObject *text) {
    static PyObject *kept;
    Py_XDECREF(kept);
    kept = text ? PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace") : NULL;
    return kept ? PyBytes_AsString(kept) : "gevent cannot be used";
}

const char *evg_gevent_prepare(bool patch) {
    if (!evg_gevent_module) evg_gevent_module = PyImport_ImportModule("evgateway.gevent_worker");
    PyObject *problem = evg_gevent_module
        ? PyObject_CallMethod(evg_gevent_module, "prepare", "O", patch ? Py_True : Py_False) : NULL;
    if (problem == Py_None) {
        Py_DECREF(problem);
        return NULL;
    }
    if (!problem) evg_py_report(NULL, "importing gevent");
    const char *text = text_of(problem);
    Py_XDECREF(problem);
    return text;
}

static int intern_names(void) {
    const evg_py_interned all[] = {
        {&evg_gevent_name.switch_, "switch"}, {&evg_gevent_name.kill, "kill"}, {&evg_gevent_name.set, "set"},
        {&evg_gevent_name.wait, "wait"}, {&evg_gevent_name.disconnected, "evgateway.disconnected"},
        {&evg_gevent_name.waitress, "waitress.client_disconnected"},
        {&evg_gevent_name.deadline, "evgateway.deadline"},
    };
    return evg_py_intern(all, sizeof all / sizeof *all);
}

const char *evg_gevent_open(void) {
    PyObject *name = NULL, *serve = NULL;
    bool is_open = !intern_names() && (name = PyObject_CallMethod(evg_gevent_module, "open", NULL))
        && (evg_gevent_hub = PyObject_GetAttrString(evg_gevent_module, "hub"))
        && (evg_gevent_exit = PyObject_GetAttrString(evg_gevent_module, "GreenletExit"))
        && (evg_gevent_greenlet_type = PyObject_GetAttrString(evg_gevent_module, "RequestGreenlet"))
        && (evg_gevent_input = PyObject_GetAttrString(evg_gevent_module, "StreamedInput"))
        && (serve = evg_gevent_run_attribute())
        /* On the class, so that no greenlet needs a dict of its own to hold it. */
        && !PyObject_SetAttrString(evg_gevent_greenlet_type, "_run", serve);
    const char *text = is_open ? text_of(name) : NULL;
    if (is_open) evg_gevent_keep_stacks();
    else evg_py_report(NULL, "opening gevent's hub");
    Py_XDECREF(serve);
    Py_XDECREF(name);
    return text;
}

void evg_gevent_cancel_on_disconnect(bool cancels) { evg_gevent_cancels_on_disconnect = cancels; }

void evg_gevent_dress(evg_py_environ *environ) {
    PyObject *keys[] = {evg_gevent_name.disconnected, evg_gevent_name.waitress, evg_gevent_name.deadline};
    int status = PyDict_SetItemString(environ->constants, "wsgi.multithread", Py_True);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        status |= PyDict_SetItem(environ->constants, keys[i], Py_None);
    if (status) evg_py_report(NULL, "preparing the environ");
}
