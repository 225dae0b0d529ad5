#ifndef MESHNODE_DATAGRAMS_H
#define MESHNODE_DATAGRAMS_H

#include <stdint.h>

/// One packet of a batch: `length` bytes at `offset` of the batch's bytes, and where to.
struct meshnode_datagram {
    /// IPv6, or IPv4-mapped IPv6 (RFC 4291, 2.5.5.2), as on the wire.
    uint8_t address[16];
    uint16_t port;
    /// The interface of a link-local address; 0 for all others.
    uint32_t scope;
    uint32_t offset;
    uint32_t length;
};

/// Most packets of one batch.
enum { meshnode_datagrams_max = 64 };

/// Sends a batch over a non-blocking UDP socket and returns how many packets were taken. A packet that the system
/// refuses is passed over; when it takes no more for now, the rest is.
int meshnode_send_datagrams(
    int socket, int is_ipv4, const uint8_t *bytes, const struct meshnode_datagram *datagrams, int count);

/// Whether the kernel holds its clock for synchronised; -1 where this process may not ask.
int meshnode_clock_is_synchronised(void);

#endif
