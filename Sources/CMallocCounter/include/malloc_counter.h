/// How often this process has allocated since it began, all threads together.
#include <stdint.h>

uint64_t malloc_counter_calls(void);
