"""The clients: processes with one epoll each, raw sockets, and no object for a connection that waits."""
