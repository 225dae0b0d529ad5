// Stands in front of the C library's allocation functions and counts their calls. In C, because Swift keeps these
// names to itself. Linked into meshbench only.
#include "malloc_counter.h"

#include <errno.h>
#include <stddef.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *pointer, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static uint64_t calls;

// No order is meant: a sum is asked for, and while threads still allocate nobody can say which it is.
static inline void note_call(void) { __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED); }

uint64_t malloc_counter_calls(void) { return __atomic_load_n(&calls, __ATOMIC_RELAXED); }

void *malloc(size_t size) {
    note_call();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    note_call();
    return __libc_calloc(count, size);
}

void *realloc(void *pointer, size_t size) {
    note_call();
    return __libc_realloc(pointer, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    note_call();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    note_call();
    *out = __libc_memalign(alignment, size);
    return *out ? 0 : ENOMEM;
}
