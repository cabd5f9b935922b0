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

// Sends one packet with up to 253 descriptors without waiting; -1 and errno where it failed.
ssize_t apus_send_packet(int socket, const void *bytes, size_t count, const int *descriptors, int descriptor_count);

// Receives one packet without waiting; `descriptors` has room for 253, they are closed on exec. -1 and errno where it
// failed: EMSGSIZE for a packet longer than `capacity`, EMFILE where descriptors were lost because this process may
// have no more. 0 at the end.
ssize_t apus_receive_packet(int socket, void *bytes, size_t capacity, int *descriptors, int *descriptor_count);
