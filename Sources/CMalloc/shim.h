#pragma once

#include <malloc.h>
#include <stddef.h>

/// Gives freed pages of the heap back to the system; a wrapper, because Swift's Glibc module leaves
/// <malloc.h> out, and other C libraries than glibc have no such call.
static inline int leeway_malloc_trim(size_t pad) {
#ifdef __GLIBC__
    return malloc_trim(pad);
#else
    (void)pad;
    return 0;
#endif
}

/// The bytes that are allocated; a wrapper, because other C libraries than glibc do not tell.
static inline size_t leeway_heap_bytes_in_use(void) {
#ifdef __GLIBC__
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
#else
    return 0;
#endif
}
