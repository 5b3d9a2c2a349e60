#pragma once

#include <malloc.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { leeway_processors_max = 1024 };

/// A bit for each processor.
typedef struct {
    unsigned long words[leeway_processors_max / (8 * sizeof(unsigned long))];
} leeway_processors;

/// Whether a processor is in a set; none is from leeway_processors_max on.
static inline int leeway_processors_has(const leeway_processors *set, size_t number) {
    const size_t bits = 8 * sizeof(unsigned long);
    return number < leeway_processors_max && set->words[number / bits] >> number % bits & 1;
}

/// Adds a processor to a set; nothing from leeway_processors_max on.
static inline void leeway_processors_add(leeway_processors *set, size_t number) {
    const size_t bits = 8 * sizeof(unsigned long);
    if (number < leeway_processors_max) set->words[number / bits] |= 1ul << number % bits;
}

/// Those of the calling thread; 0 when the system does not tell. A system call, because the
/// functions of <sched.h> are hidden from modules.
static inline int leeway_processors_read(leeway_processors *set) {
    return syscall(SYS_sched_getaffinity, 0, sizeof *set, set) > 0;
}

/// Lets the calling thread run on these only; 0 when the system does not allow it.
static inline int leeway_processors_adopt(const leeway_processors *set) {
    return syscall(SYS_sched_setaffinity, 0, sizeof *set, set) == 0;
}

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
