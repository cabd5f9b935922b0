#pragma once
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
