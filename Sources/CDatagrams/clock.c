// In C because adjtimex(2) is a GNU extension that Swift's Glibc module does not show.
#define _GNU_SOURCE
#include "datagrams.h"

#include <string.h>
#include <sys/timex.h>

int meshnode_clock_is_synchronised(void) {
    struct timex state;
    memset(&state, 0, sizeof state);  // No modes: only asks.
    int result = adjtimex(&state);
    return result < 0 ? -1 : result != TIME_ERROR && !(state.status & STA_UNSYNC);
}
