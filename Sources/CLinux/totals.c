// What the kernel has taken of a stream and given out, so that nothing has to be guessed after a death.
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <stddef.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

// TCP_INFO as the kernel has it since 4.1; the library's declaration ends before the totals.
typedef struct {
    struct tcp_info known;
    uint64_t pacing_rate, maximum_pacing_rate;
    uint64_t bytes_acked, bytes_received;
} information;

_Static_assert(offsetof(information, bytes_acked) == 120, "the kernel's layout");

// The two numbers that make up each total are read one after the other: again, until they fit together.
int apus_tcp_totals(int socket, uint64_t *read, uint64_t *written) {
    information before, after;
    int waiting, unacknowledged;
    socklen_t size = sizeof before;
    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &before, &size) != 0) return -1;
    for (int attempt = 0; attempt < 1000; attempt++) {
        if (ioctl(socket, SIOCINQ, &waiting) != 0 || ioctl(socket, SIOCOUTQ, &unacknowledged) != 0) return -1;
        size = sizeof after;
        if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &after, &size) != 0) return -1;
        if (before.bytes_received == after.bytes_received && before.bytes_acked == after.bytes_acked &&
            before.known.tcpi_state == after.known.tcpi_state) {
            // A FIN counts as a byte received.
            int ended = after.known.tcpi_state == TCP_CLOSE_WAIT || after.known.tcpi_state == TCP_LAST_ACK ||
                        after.known.tcpi_state == TCP_CLOSING || after.known.tcpi_state == TCP_TIME_WAIT;
            *read = after.bytes_received - (uint64_t)waiting - (ended ? 1 : 0);
            *written = after.bytes_acked + (uint64_t)unacknowledged;
            return 0;
        }
        before = after;
    }
    errno = EAGAIN;
    return -1;
}
