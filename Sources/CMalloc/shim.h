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
