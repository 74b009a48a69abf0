"""Requests as proxies send them, and as clients forge them, by target; and settings of gunicorn about them."""

REQUESTS = {
    "plain": [],
    "https": [("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Host", "other"),
              ("X-Forwarded-Port", "1"), ("X-Forwarded-Prefix", "/p"), ("Forwarded", "for=203.0.113.9;proto=http")],
    "http": [("X-Forwarded-Proto", "http")],
    "upper": [("X-FORWARDED-PROTO", "HTTPS")],
    "list": [("X-Forwarded-Proto", "https, http")],
    "ssl": [("X-Forwarded-Ssl", "on")],
    "protocol": [("X-Forwarded-Protocol", "ssl")],
    "agree": [("X-Forwarded-Ssl", "on"), ("X-Forwarded-Proto", "https")],
    "disagree": [("X-Forwarded-Ssl", "on"), ("X-Forwarded-Proto", "http")],
    "twice": [("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")],
    "own": [("X-Tls", "yes")],
    "mounted/a": [("SCRIPT_NAME", "/mounted")],
    "mounted/b": [("Script_Name", "/mounted"), ("PATH_INFO", "/x")],
    "root": [("SCRIPT_NAME", "/elsewhere")],
    "names": [("X_A", "1"), ("X-A", "2"), ("x_a", "3"), ("REMOTE_USER", "me"), ("CONTENT_LENGTH", "7"), ("_", "8")],
}

CONFIGURATIONS = {
    "": "",
    ", untrusted": "forwarded_allow_ips = '10.0.0.0/8'\n",
    ", of all": "forwarded_allow_ips = '*'\nforwarder_headers = '*'\n",
    ", refused": "header_map = 'refuse'\nforwarder_headers = 'REMOTE_USER'\n",
    ", dangerous": "header_map = 'dangerous'\nforwarded_allow_ips = ''\n",
    ", other": "secure_scheme_headers = {'X-TLS': 'yes'}\nforwarded_allow_ips = '127.0.0.0/8,::1'\n",
}
