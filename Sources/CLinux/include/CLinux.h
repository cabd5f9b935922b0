// Linux system calls that Swift's Glibc module does not export, or can not express.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
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

// Starts a program with `control` as its descriptor `control_number`, `errors` as its standard error (-1: the supervisor's) and
// the supervisor's standard output; standard input is empty. Returns its process id; -1 and errno where it could not be started.
pid_t apus_spawn(const char *path, char *const argv[], int control, int control_number, int errors);

// A pair of non-blocking sockets, closed on exec: what processes write to one arrives at the other in whole messages, each
// with the process that wrote it. -1 and errno where it failed.
int apus_output_pair(int *reader, int *writer);

// Receives one such message without waiting, its rest is lost where it is longer than `capacity`. -1 and errno where there is none.
ssize_t apus_receive_output(int socket, void *bytes, size_t capacity, pid_t *process);

// From now on this process, and whatever it starts, opens no file by a path; and, where the kernel is new enough (6.7), connects
// and binds no TCP socket. What is open stays so. -1 and errno where the kernel can not do that, ENOSYS or EOPNOTSUPP.
int apus_give_up_files(void);

// From now on this process, and whatever it starts, gets EPERM where it connects, binds, opens a file or a socket that is no Unix
// socket, runs a program or looks into another process. What is open stays so. -1 and errno where the kernel can not do that.
int apus_give_up_calls(void);

// Lets this process say on standard error what it dies of, by a signal that means a fault: one line with the signal, the
// program's build id and addresses. To be called by the main thread, before there is another.
void apus_report_crashes(const char *name, const char *version);

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

// Kills the process that such a descriptor names, and never another one that has got its number. -1 and errno where it is gone.
int apus_kill_process(int descriptor);

// How much of a TCP connection's two streams the kernel has passed on: bytes that this side has read, and bytes that it
// has written, whoever of those who hold the socket did it. -1 and errno where it can not say.
int apus_tcp_totals(int socket, uint64_t *read, uint64_t *written);
