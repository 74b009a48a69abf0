"""The fields that Chrome sends when a user comes to a page again: eight besides Host, 473 bytes."""

FIELDS = [
    "Connection: keep-alive",
    "Cache-Control: max-age=0",
    "Upgrade-Insecure-Requests: 1",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7",
    "Accept-Encoding: gzip, deflate",
    "Accept-Language: en-US,en;q=0.9",
    "Cookie: session=eyJ1c2VyIjo0Mn0.Zx1Yzw.9mLk3n1v0q8r7s6t5u4w3x2y1z0",
]
