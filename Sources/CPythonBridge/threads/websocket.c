/* A WebSocket of a thread. Law: whatever touches the connection is asked of the loop, which answers while the thread
 * waits without the GIL; messages come as the input of the job. */
#include "threads.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Asks the loop; false if the client has left. The request may end meanwhile, if a thread of the app's own asks. */
static bool ask(void *owner, evg_socket_ask *question) {
    evg_job *job = &((evg_py_job *)owner)->base;
    evg_job_retain(job);
    Py_BEGIN_ALLOW_THREADS
    evg_job_lend(job, (const uint8_t *)question, sizeof *question, EVG_PY_ASKS);
    evg_job_release(job);
    Py_END_ALLOW_THREADS
    return question->is_answered;
}

static int accept_socket(void *owner, evg_py_text subprotocol) {
    evg_socket_ask question = {.question = EVG_ASKS_ACCEPT, .text = subprotocol};
    return ask(owner, &question) ? question.answer : (int)EVG_ACCEPT_GONE;
}

static int send_message(void *owner, bool is_text, evg_py_text bytes) {
    evg_socket_ask question = {.question = is_text ? EVG_ASKS_SEND_TEXT : EVG_ASKS_SEND_BYTES, .text = bytes};
    return ask(owner, &question) && question.answer != (int32_t)EVG_SENT_GONE;
}

static int close_socket(void *owner, uint16_t code, evg_py_text reason) {
    evg_socket_ask question = {.question = EVG_ASKS_CLOSE, .text = reason, .code = code};
    return !ask(owner, &question) || question.answer;
}

static int take(void *owner, PyObject **left_over) {
    evg_socket_ask question = {.question = EVG_ASKS_CONNECTION};
    if (!ask(owner, &question) || question.answer < 0) return -1;
    *left_over = PyBytes_FromStringAndSize((const char *)question.left_over, (Py_ssize_t)question.left_over_count);
    free(question.left_over);
    if (*left_over) return question.answer;
    close(question.answer);
    return -1;
}

static PyObject *read_message(evg_job *job) {
    evg_socket_message head;
    evg_job_read(job, (uint8_t *)&head, sizeof head);
    PyObject *bytes = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)head.count);
    if (!bytes) return NULL;
    evg_job_read(job, (uint8_t *)PyByteArray_AsString(bytes), head.count);
    if (!head.is_text) return bytes;
    PyObject *text = PyUnicode_DecodeUTF8(PyByteArray_AsString(bytes), (Py_ssize_t)head.count, NULL);
    Py_DECREF(bytes);
    return text;
}

static PyObject *receive(void *owner) {
    evg_job *job = &((evg_py_job *)owner)->base;
    PyObject *message = NULL;
    evg_job_input input = EVG_JOB_NOTHING_YET;
    evg_job_retain(job);
    while (input == EVG_JOB_NOTHING_YET) {
        if (evg_job_peek(job, sizeof(evg_socket_message), false, &input)) {
            /* A message comes at once, and the GIL keeps other readers away. */
            message = read_message(job);
        } else if (input == EVG_JOB_NOTHING_YET) {
            Py_BEGIN_ALLOW_THREADS
            evg_job_await_input(job);
            Py_END_ALLOW_THREADS
        }
    }
    evg_job_release(job);
    return message;
}

static bool has_ended(void *owner) {
    evg_job *job = &((evg_py_job *)owner)->base;
    evg_job_input input = EVG_JOB_NOTHING_YET;
    return !evg_job_peek(job, 1, false, &input) && input != EVG_JOB_NOTHING_YET;
}

const evg_py_socket_ways evg_py_threads_socket_ways = {
    .name = "threads", .accept = accept_socket, .send = send_message, .close = close_socket, .take = take,
    .receive = receive, .has_ended = has_ended,
};

/* MARK: the loop's thread */

bool evg_py_job_feed_message(evg_job *job, bool is_text, evg_py_text payload) {
    evg_socket_message head = {.count = payload.count, .is_text = is_text};
    return evg_job_feed_two(job, (const uint8_t *)&head, sizeof head, payload.base, payload.count);
}
