/* The loop's side of worker class threads: a request becomes a job, a job's news become an answer. Law: no Python. */
#include "threads.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kept_bytes = 16384 };

static char *copy(const char *text) { return strdup(text ? text : ""); }

evg_py_listener *evg_py_listener_new(const evg_py_environ_options *options) {
    evg_py_listener *listener = calloc(1, sizeof *listener);
    if (!listener) return NULL;
    listener->options = *options;
    listener->options.server_name = copy(options->server_name);
    listener->options.server_port = copy(options->server_port);
    listener->options.server_software = copy(options->server_software);
    listener->options.script_name = copy(options->script_name);
    listener->options.scheme = copy(options->scheme);
    return listener;
}

evg_job *evg_py_job_new(evg_py_listener *listener, const evg_py_request *request, bool streams) {
    evg_py_job *job = (evg_py_job *)evg_job_new(evg_py_pool);
    if (!job) return NULL;
    evg_py_request *kept = &job->in.request;
    *kept = *request;
    evg_swift_exchange_describe(request->exchange, kept);
    kept->body_file = job->out.file = -1;
    job->in.address.count = job->out.variables.count = 0;
    if (!evg_bytes_append(&job->in.address, kept->client_address.base, kept->client_address.count)) {
        evg_job_end(&job->base);
        return NULL;
    }
    kept->client_address.base = job->in.address.base;
    kept->body_file = request->body_file;
    job->in.body = (uint8_t *)request->body;
    job->in.listener = listener;
    job->in.streams = streams;
    job->loop.exchange = request->exchange;
    job->out.length = -1;
    job->thread.head_posted = false;
    return &job->base;
}

struct sight {
    void (*see)(evg_exchange *exchange, void *context);
    void *context;
};

static void see_job(evg_job *job, void *context) {
    struct sight *sight = context;
    sight->see(((evg_py_job *)job)->loop.exchange, sight->context);
}

void evg_py_threads_show_waiting(size_t most, void (*see)(evg_exchange *exchange, void *context), void *context) {
    struct sight sight = {see, context};
    evg_pool_show_waiting(evg_py_pool, most, see_job, &sight);
}

bool evg_py_threads_next(evg_py_answer *answer) {
    evg_py_job *job = (evg_py_job *)evg_pool_next(evg_py_pool);
    if (!job) return false;
    uint32_t news = job->base.loop.news;
    *answer = (evg_py_answer){
        .job = &job->base, .exchange = job->loop.exchange, .news = news, .head = &job->out.head,
        .length = job->out.length,
        .data = {job->base.loop.data.base, job->base.loop.data.count},
        .variables = {job->out.variables.base, news & (EVG_PY_ENDED | EVG_PY_SENDS) ? job->out.variables.count : 0},
        .file = -1, .file_offset = job->out.file_offset, .file_count = job->out.file_count,
    };
    if (news & EVG_PY_SENDS) {
        answer->file = job->out.file;
        job->out.file = -1;
    }
    return true;
}

bool evg_py_job_reset(evg_job *base) {
    evg_py_job *job = (evg_py_job *)base;
    if (job->in.request.body_file >= 0) close(job->in.request.body_file);
    if (job->out.file >= 0) close(job->out.file);
    job->in.request.body_file = job->out.file = -1;
    free(job->in.body);
    job->in.body = NULL;
    if (job->out.head.capacity > kept_bytes) evg_response_head_free(&job->out.head);
    /* A watch can be let go of only with the GIL, by the next thread that ends this job. */
    return job->gil.watch == NULL;
}

void evg_py_job_destroy(evg_job *base) {
    evg_py_job *job = (evg_py_job *)base;
    free(job->in.address.base);
    free(job->out.variables.base);
    evg_response_head_free(&job->out.head);
}
