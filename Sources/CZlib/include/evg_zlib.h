/* The system's zlib, and what it has as macros only: raw DEFLATE (RFC 1951), without zlib's header and check. */
#ifndef EVG_ZLIB_H
#define EVG_ZLIB_H

#include <zlib.h>

/* deflateInit2 and inflateInit2 with the bits of the window. Return Z_OK, or another code of zlib's. */
int evg_deflate_init(z_stream *stream, int level, int window_bits, int memory_level);
int evg_inflate_init(z_stream *stream, int window_bits);

#endif
