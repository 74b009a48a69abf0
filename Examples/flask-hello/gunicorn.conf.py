# What gunicorn reads, evgateway reads: settings by the same names, and hooks.
import multiprocessing

workers = min(2, multiprocessing.cpu_count())
timeout = 60
accesslog = "-"
raw_env = ["GREETING=hello"]


def post_fork(server, worker):
    server.log.info("worker %s of %s is here", worker.age, server.num_workers)
