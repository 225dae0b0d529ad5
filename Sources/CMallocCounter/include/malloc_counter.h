/// How often this process has allocated since it began. Not exact while several threads allocate.
#include <stdint.h>

uint64_t malloc_counter_calls(void);
