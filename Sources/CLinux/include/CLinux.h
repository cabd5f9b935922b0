// Linux system calls that Swift's Glibc module does not export, or can not express.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

// A memfd of `bytes`, sealed against resizing; -1 and errno where it failed.
int apus_memory_file(const char *name, uint64_t bytes);

// Maps `bytes` of anonymous memory in place of `former_bytes` at `former`, whose pages move; nothing of them is copied. 0:
// there are none. MAP_FAILED and errno where there is no room.
void *apus_map(void *former, size_t former_bytes, size_t bytes);

// Sends one packet with up to 253 descriptors without waiting; -1 and errno where it failed.
ssize_t apus_send_packet(int socket, const void *bytes, size_t count, const int *descriptors, int descriptor_count);

// Receives one packet without waiting; `descriptors` has room for 253, they are closed on exec. -1 and errno where it
// failed: EMSGSIZE for a packet longer than `capacity`, EMFILE where descriptors were lost because this process may
// have no more. 0 at the end. `flags`: 0, or MSG_PEEK, which leaves it there.
ssize_t apus_receive_packet(int socket, void *bytes, size_t capacity, int *descriptors, int *descriptor_count,
                            int flags);

// Starts a program with `control` as its descriptor `control_number` and the supervisor's standard output and error;
// standard input is empty. Returns its process id; -1 and errno where it could not be started.
pid_t apus_spawn(const char *path, char *const argv[], int control, int control_number);

// Sets what `ps` shows for this process: the whole command line, and as much as fits (15 bytes) as the thread's name.
// To be called by the main thread while no other thread reads the environment.
void apus_set_title(const char *title);

// Accepts one connection, non-blocking and closed on exec, and says from where, IPv4 mapped into IPv6; -1 and errno
// where there is none.
int apus_accept(int socket, uint64_t *high, uint64_t *low, uint16_t *port);

// The IPv4 or IPv6 address that a socket is bound to, IPv4 mapped into IPv6; -1 and errno where it has none.
int apus_bound_address(int socket, uint64_t *high, uint64_t *low, uint16_t *port);

// A descriptor that is readable once the process has ended, which need not be a child; closed on exec. -1 and errno.
int apus_process_descriptor(pid_t process);

// How much of a TCP connection's two streams the kernel has passed on: bytes that this side has read, and bytes that it
// has written, whoever of those who hold the socket did it. -1 and errno where it can not say.
int apus_tcp_totals(int socket, uint64_t *read, uint64_t *written);
