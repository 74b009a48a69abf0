"""The clients: plain processes with one epoll each, raw sockets, and no object per connection that waits."""
