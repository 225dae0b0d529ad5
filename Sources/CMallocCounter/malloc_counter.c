// Stands in front of the C library's allocation functions and counts their calls. In C, because Swift keeps these
// names to itself. Linked into meshbench only.
#include "malloc_counter.h"

#include <errno.h>
#include <stddef.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *pointer, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

// Plain, not atomic: the measured code runs on one thread while no other allocates.
static volatile uint64_t calls;

uint64_t malloc_counter_calls(void) { return calls; }

void *malloc(size_t size) {
    calls = calls + 1;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    calls = calls + 1;
    return __libc_calloc(count, size);
}

void *realloc(void *pointer, size_t size) {
    calls = calls + 1;
    return __libc_realloc(pointer, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    calls = calls + 1;
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    calls = calls + 1;
    *out = __libc_memalign(alignment, size);
    return *out ? 0 : ENOMEM;
}
