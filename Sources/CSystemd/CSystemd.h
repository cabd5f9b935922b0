#pragma once
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>
#include <systemd/sd-login.h>

#include <stdio.h>
#include <stdlib.h>

// What the service manager is doing with the unit of this process: "restart", "stop", …, empty where it does nothing. Asked of PID 1
// over the system bus, for half a second at most. Swift can not make the calls that take a variable number of arguments.
// Returns: 0, or a negative errno where nobody answers.
static inline int apus_unit_job(char *type, size_t size) {
    sd_bus *bus = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    char *unit = NULL, *path = NULL, *found = NULL;
    const char *job = NULL;
    uint32_t number = 0;
    type[0] = 0;
    int result = sd_pid_get_unit(0, &unit);
    if (result >= 0) result = sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path);
    if (result >= 0) result = sd_bus_open_system(&bus);
    if (result >= 0) result = sd_bus_set_method_call_timeout(bus, 500000);
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
    free(unit);
    return result < 0 ? result : 0;
}
