// What a process gives up once it has all that it needs: Landlock, which the kernel has from 5.13, for files, from 6.7 for TCP
// as well. The definitions are this file's own: those of the system may be older than its kernel.
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <sys/prctl.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_restrict_self 446
#endif

// What the rules are about: of this everything is denied that no rule allows, and there are none.
struct handled {
    uint64_t files;
    uint64_t network;
    uint64_t scope;
};

int apus_give_up_files(void) {
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
    if (version < 0) return -1;
    // Each version knows more ways to use a file: 13 the first, then links across folders, truncation, and devices.
    int ways = version >= 5 ? 16 : version >= 3 ? 15 : version == 2 ? 14 : 13;
    struct handled handled = {.files = (1u << ways) - 1};
    size_t size = sizeof handled.files;
    if (version >= 4) {
        // To bind and to connect, over TCP.
        handled.network = 3;
        size += sizeof handled.network;
    }
    if (version >= 6) {
        // Abstract sockets and signals of processes that are not of this kind.
        handled.scope = 3;
        size += sizeof handled.scope;
    }
    int rules = (int)syscall(SYS_landlock_create_ruleset, &handled, size, 0);
    if (rules < 0) return -1;
    int result = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (result == 0) result = (int)syscall(SYS_landlock_restrict_self, rules, 0);
    int error = errno;
    close(rules);
    errno = error;
    return result;
}
