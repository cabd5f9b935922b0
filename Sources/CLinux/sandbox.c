// What a process gives up once it has all that it needs, in two ways that both have to be broken: Landlock, which the kernel has
// from 5.13 for files and from 6.7 for TCP as well, and a filter of system calls. Landlock's definitions are this file's own:
// those of the system may be older than its kernel.
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <seccomp.h>
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

// What nobody needs who has its descriptors already: to reach others, to be reached, to open, to become another program, to look
// into other processes. io_uring would do most of it past any filter.
static const int given_up[] = {
    SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4),
    SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(creat), SCMP_SYS(open_by_handle_at),
    SCMP_SYS(execve), SCMP_SYS(execveat),
    SCMP_SYS(ptrace), SCMP_SYS(process_vm_writev), SCMP_SYS(process_madvise), SCMP_SYS(pidfd_getfd), SCMP_SYS(kcmp),
    SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register),
};

int apus_give_up_calls(void) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (filter == NULL) {
        errno = ENOMEM;
        return -1;
    }
    // Refused, not killed: whoever asks for one of these by mistake goes on. Also those of other architectures.
    const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
    int result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, refuse);
    for (size_t index = 0; result == 0 && index < sizeof given_up / sizeof *given_up; index++)
        result = seccomp_rule_add(filter, refuse, given_up[index], 0);
    // The journal is written to by a Unix socket, which is opened when it is first needed. Only calls whose arguments are looked
    // at cost anything on a newer kernel (5.11), so what is sent is none of them: a socket that was accepted can not be
    // connected anew, and there are no others.
    if (result == 0) result = seccomp_rule_add(filter, refuse, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_NE, AF_UNIX));
    // A crash is told by reading what may not be there: this process itself.
    if (result == 0)
        result = seccomp_rule_add(
            filter, refuse, SCMP_SYS(process_vm_readv), 1, SCMP_A0(SCMP_CMP_NE, (scmp_datum_t)getpid()));
    if (result == 0) result = seccomp_load(filter);
    seccomp_release(filter);
    if (result == 0) return 0;
    errno = -result;
    return -1;
}
