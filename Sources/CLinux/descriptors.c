// Packets with descriptors (SCM_RIGHTS) over sequenced-packet sockets: what Swift can not write, because the macros
// that walk control messages are not functions.
#define _GNU_SOURCE
#include "CLinux.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

// SCM_MAX_FD of the kernel.
#define MOST_DESCRIPTORS 253

typedef union {
    struct cmsghdr header; // for its alignment
    char bytes[CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int))];
} rights;

ssize_t apus_send_packet(int socket, const void *bytes, size_t count, const int *descriptors, int descriptor_count) {
    if (descriptor_count < 0 || descriptor_count > MOST_DESCRIPTORS) {
        errno = EINVAL;
        return -1;
    }
    rights control;
    struct iovec vector = {.iov_base = (void *)bytes, .iov_len = count};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (descriptor_count > 0) {
        size_t length = sizeof(int) * (size_t)descriptor_count;
        memset(&control.header, 0, sizeof control.header);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(length);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(length);
        memcpy(CMSG_DATA(header), descriptors, length);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

ssize_t apus_receive_packet(int socket, void *bytes, size_t capacity, int *descriptors, int *descriptor_count,
                            int flags) {
    rights control;
    struct iovec vector = {.iov_base = bytes, .iov_len = capacity};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    *descriptor_count = 0;
    ssize_t received = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | flags);
    if (received < 0) return -1;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        int count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (int i = 0; i < count; i++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(header) + sizeof(int) * (size_t)i, sizeof(int));
            if (*descriptor_count < MOST_DESCRIPTORS) {
                descriptors[(*descriptor_count)++] = descriptor;
            } else {
                close(descriptor);
            }
        }
    }
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        for (int i = 0; i < *descriptor_count; i++) close(descriptors[i]);
        *descriptor_count = 0;
        errno = message.msg_flags & MSG_CTRUNC ? EMFILE : EMSGSIZE;
        return -1;
    }
    return received;
}

typedef union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage room;
} address;

static int decode(const address *from, uint64_t *high, uint64_t *low, uint16_t *port) {
    if (from->any.sa_family == AF_INET) {
        *high = 0;
        *low = 0xFFFF00000000ull | ntohl(from->v4.sin_addr.s_addr);
        *port = ntohs(from->v4.sin_port);
        return 0;
    }
    if (from->any.sa_family != AF_INET6) return -1;
    memcpy(high, from->v6.sin6_addr.s6_addr, 8);
    memcpy(low, from->v6.sin6_addr.s6_addr + 8, 8);
    *high = be64toh(*high);
    *low = be64toh(*low);
    *port = ntohs(from->v6.sin6_port);
    return 0;
}

int apus_accept(int socket, uint64_t *high, uint64_t *low, uint16_t *port) {
    address peer;
    socklen_t size = sizeof peer;
    int connection = accept4(socket, &peer.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (connection >= 0 && decode(&peer, high, low, port) != 0) *high = *low = *port = 0;
    return connection;
}

int apus_bound_address(int socket, uint64_t *high, uint64_t *low, uint16_t *port) {
    address own;
    socklen_t size = sizeof own;
    if (getsockname(socket, &own.any, &size) != 0) return -1;
    if (decode(&own, high, low, port) == 0) return 0;
    errno = EAFNOSUPPORT;
    return -1;
}
