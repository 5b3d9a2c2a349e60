#pragma once
#include <zlib.h>

// A macro in zlib.h: it hands the header's version and the size of z_stream to the library.
static inline int leeway_inflateInit2(z_stream *stream, int window_bits) {
    return inflateInit2(stream, window_bits);
}

// A macro, too; the method (deflate) and the memory level (zlib's default) never vary here.
static inline int leeway_deflateInit2(z_stream *stream, int level, int window_bits) {
    return deflateInit2(stream, level, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
}
