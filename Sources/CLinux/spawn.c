// Starting a worker: fork and exec in one step that shares nothing with the supervisor but what is named here. The
// child never runs Swift between the two.
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>

extern char **environ;

pid_t apus_spawn(const char *path, char *const argv[], int control, int control_number, int errors) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    pid_t child = -1;

    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0) goto failed;
    error = posix_spawnattr_init(&attributes);
    if (error != 0) goto without_attributes;

    // Signals are as a program expects them: nothing blocked, nothing ignored. In a session of its own it does not get
    // those that a terminal or a script sends to the supervisor's group: the supervisor stops its workers, in order.
    sigemptyset(&none);
    sigfillset(&all);
    if ((error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                             POSIX_SPAWN_SETSID)) == 0 &&
        (error = posix_spawnattr_setsigmask(&attributes, &none)) == 0 &&
        (error = posix_spawnattr_setsigdefault(&attributes, &all)) == 0 &&
        (error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)) == 0 &&
        (errors < 0 || (error = posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO)) == 0) &&
        // The duplicate stays open across exec, also where both numbers are the same. All else is closed by exec.
        (error = posix_spawn_file_actions_adddup2(&actions, control, control_number)) == 0)
        error = posix_spawn(&child, path, &actions, &attributes, argv, environ);

    posix_spawnattr_destroy(&attributes);
without_attributes:
    posix_spawn_file_actions_destroy(&actions);
failed:
    if (error == 0) return child;
    errno = error;
    return -1;
}
