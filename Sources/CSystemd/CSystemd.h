#pragma once
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <linux/sockios.h>
#include <unistd.h>

// The system bus, which waits for half a second at most, and the path of the unit of this process, to be freed. PID 1 is asked for it:
// libsystemd would look at /proc/1, which ProtectProc= hides. Swift can not make the calls that take a variable number of arguments.
// Returns: below 0 a negative errno.
static inline int apus_open_bus(sd_bus **bus, char **path) {
    sd_bus_message *reply = NULL;
    const char *found = NULL;
    int result = sd_bus_open_system(bus);
    if (result >= 0) result = sd_bus_set_method_call_timeout(*bus, 500000);
    if (result >= 0)
        result = sd_bus_call_method(*bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                    "org.freedesktop.systemd1.Manager", "GetUnitByPID", NULL, &reply, "u", 0);
    if (result >= 0) result = sd_bus_message_read(reply, "o", &found);
    if (result >= 0 && (*path = strdup(found)) == NULL) result = -ENOMEM;
    sd_bus_message_unref(reply);
    return result;
}

// What the service manager is doing with the unit of this process: "restart", "stop", …, empty where it does nothing. Asked of PID 1.
// Returns: 0, or a negative errno where nobody answers.
static inline int apus_unit_job(char *type, size_t size) {
    sd_bus *bus = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    char *path = NULL, *found = NULL;
    const char *job = NULL;
    uint32_t number = 0;
    type[0] = 0;
    int result = apus_open_bus(&bus, &path);
    if (result >= 0)
        result = sd_bus_get_property(bus, "org.freedesktop.systemd1", path, "org.freedesktop.systemd1.Unit", "Job",
                                     &error, &reply, "(uo)");
    if (result >= 0) result = sd_bus_message_read(reply, "(uo)", &number, &job);
    if (result >= 0 && number != 0) {
        result = sd_bus_get_property_string(bus, "org.freedesktop.systemd1", job, "org.freedesktop.systemd1.Job",
                                            "JobType", &error, &found);
        if (result >= 0) snprintf(type, size, "%s", found);
    }
    free(found);
    sd_bus_message_unref(reply);
    sd_bus_error_free(&error);
    sd_bus_flush_close_unref(bus);
    free(path);
    return result < 0 ? result : 0;
}

static inline void *apus_write_unit_job(void *writer) {
    char answer[33] = "=";
    if (apus_unit_job(answer + 1, sizeof answer - 1) == 0 && write((int)(intptr_t)writer, answer, strlen(answer)) < 0) {
    }
    close((int)(intptr_t)writer);
    return NULL;
}

// Asks on a thread of its own. Returns: a descriptor that gives "=" and the answer, and ends; only ends where nobody answered. -1,
// and errno, where there is no thread for it.
static inline int apus_ask(void *(*question)(void *)) {
    int ends[2];
    pthread_t thread;
    sigset_t all, before;
    if (pipe2(ends, O_CLOEXEC) != 0) return -1;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&thread, NULL, question, (void *)(intptr_t)ends[1]);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure == 0) {
        pthread_detach(thread);
        return ends[0];
    }
    close(ends[0]);
    close(ends[1]);
    errno = failure;
    return -1;
}

// Asks for the unit's job; the answer is its type.
static inline int apus_ask_unit_job(void) { return apus_ask(apus_write_unit_job); }

// How many descriptors the service manager keeps for the unit of this process (FileDescriptorStoreMax=). Asked of PID 1.
// Returns: a negative errno where nobody answers.
static inline int64_t apus_store_room(void) {
    sd_bus *bus = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    char *path = NULL;
    uint32_t room = 0;
    int result = apus_open_bus(&bus, &path);
    if (result >= 0)
        result = sd_bus_get_property_trivial(bus, "org.freedesktop.systemd1", path, "org.freedesktop.systemd1.Service",
                                             "FileDescriptorStoreMax", &error, 'u', &room);
    sd_bus_error_free(&error);
    sd_bus_flush_close_unref(bus);
    free(path);
    return result < 0 ? result : (int64_t)room;
}

static inline void *apus_write_store_room(void *writer) {
    char answer[33];
    int64_t room = apus_store_room();
    if (room >= 0) {
        snprintf(answer, sizeof answer, "=%lld", (long long)room);
        if (write((int)(intptr_t)writer, answer, strlen(answer)) < 0) {
        }
    }
    close((int)(intptr_t)writer);
    return NULL;
}

// Asks how many descriptors the service manager keeps; the answer is a decimal number.
static inline int apus_ask_store_room(void) { return apus_ask(apus_write_store_room); }

// Says something to the service manager, with a descriptor unless it is below 0, without waiting for it.
// Returns: 1; 0 where there is no service manager; a negative errno, -EAGAIN where it takes nothing now.
static inline int apus_notify(const char *text, int descriptor) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    if (path == NULL) return 0;
    size_t length = strlen(path);
    if (length < 2 || length >= sizeof address.sun_path) return -EINVAL;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') address.sun_path[0] = 0;
    struct iovec part = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    struct msghdr message = {.msg_name = &address,
                             .msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length),
                             .msg_iov = &part,
                             .msg_iovlen = 1};
    if (path[0] != '@') message.msg_namelen += 1;
    if (descriptor >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control.bytes;
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.head), &descriptor, sizeof(int));
    }
    int sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sender < 0) return -errno;
    ssize_t sent = sendmsg(sender, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    int result = sent < 0 ? -errno : 1;
    close(sender);
    return result;
}

// Returns: a descriptor that ends when the service manager has taken everything that was said before; below 0 where it can not be
// asked now.
static inline int apus_ask_barrier(void) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
    int result = apus_notify("BARRIER=1", ends[1]);
    close(ends[1]);
    if (result > 0) return ends[0];
    close(ends[0]);
    return -1;
}

// Waits until the journal has read what was sent to it before, a second at most: messages are read in order, and one of no bytes,
// which means nothing to it, comes last. Nothing is done where the journal is full or away.
static inline void apus_settle_journal(void) {
    const struct sockaddr_un journal = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
    int left = 0;
    int marker = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (marker < 0) return;
    if (sendto(marker, "", 0, MSG_NOSIGNAL, (const struct sockaddr *)&journal, sizeof journal) == 0)
        // Nothing tells when it has been read.
        for (int turn = 0; turn < 1000 && ioctl(marker, SIOCOUTQ, &left) == 0 && left > 0; turn++) usleep(1000);
    close(marker);
}
