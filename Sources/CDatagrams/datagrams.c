// In C because sendmmsg(2) is a GNU extension that Swift's Glibc module does not show.
#define _GNU_SOURCE
#include "datagrams.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static socklen_t fill(struct sockaddr_storage *storage, int is_ipv4, const struct meshnode_datagram *datagram) {
    memset(storage, 0, sizeof *storage);
    if (is_ipv4) {
        struct sockaddr_in *address = (struct sockaddr_in *)storage;
        address->sin_family = AF_INET;
        address->sin_port = htons(datagram->port);
        memcpy(&address->sin_addr, datagram->address + 12, 4);
        return sizeof *address;
    }
    struct sockaddr_in6 *address = (struct sockaddr_in6 *)storage;
    address->sin6_family = AF_INET6;
    address->sin6_port = htons(datagram->port);
    memcpy(&address->sin6_addr, datagram->address, 16);
    address->sin6_scope_id = datagram->scope;
    return sizeof *address;
}

int meshnode_send_datagrams(
    int socket, int is_ipv4, const uint8_t *bytes, const struct meshnode_datagram *datagrams, int count) {
    struct sockaddr_storage addresses[meshnode_datagrams_max];
    struct iovec vectors[meshnode_datagrams_max];
    struct mmsghdr messages[meshnode_datagrams_max];
    if (count > meshnode_datagrams_max) count = meshnode_datagrams_max;
    memset(messages, 0, sizeof *messages * (size_t)count);
    for (int index = 0; index < count; index++) {
        vectors[index].iov_base = (void *)(bytes + datagrams[index].offset);
        vectors[index].iov_len = datagrams[index].length;
        messages[index].msg_hdr.msg_name = &addresses[index];
        messages[index].msg_hdr.msg_namelen = fill(&addresses[index], is_ipv4, &datagrams[index]);
        messages[index].msg_hdr.msg_iov = &vectors[index];
        messages[index].msg_hdr.msg_iovlen = 1;
    }
    int next = 0, taken = 0;
    while (next < count) {
        int sent = sendmmsg(socket, messages + next, (unsigned)(count - next), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            next += sent;
            taken += sent;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == EBADF) {
            break;
        } else if (errno != EINTR) {
            next++;  // No route, no right, no such network: this packet's affair alone.
        }
    }
    return taken;
}
