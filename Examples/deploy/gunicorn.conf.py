# The settings that all ways to deploy share; the other files are in step with them. evgateway finds this file in the
# folder in which it starts, and gunicorn reads it too. No `bind` is here: the unit and compose give it, and elsewhere
# $PORT does.
import os

wsgi_app = "app:app"
workers = int(os.environ.get("WEB_CONCURRENCY", 2))
worker_class = "gthread"
threads = 8

# A worker that is told to leave has so long for its open requests. systemd, compose and Kubernetes kill later.
graceful_timeout = 30
# Longer than every proxy here keeps an idle connection (60 s): it must not send a request into a closing one.
keepalive = 75
# nginx has a limit of its own, client_max_body_size.
limit_request_body = 16 * 1024 * 1024

# Standard output is what the journal and containers collect; hello.service names a file for logrotate.
accesslog = "-"
# The address that the proxy saw; the connection itself comes from the proxy, or from a socket without an address.
access_log_format = '%({x-forwarded-for}i)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(M)sms'
