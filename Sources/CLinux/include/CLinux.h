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
