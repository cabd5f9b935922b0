// What `ps` and `top` show for a process. The command line that /proc shows is the memory at argv[0], with the
// environment right behind it: the title takes both, after the environment has moved.
#define _GNU_SOURCE
#include "CLinux.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

extern char **environ;

static char *start, *end;

// glibc hands constructors what main gets.
__attribute__((constructor)) static void remember(int argc, char **argv, char **variables) {
    if (argc < 1 || argv[0] == NULL) return;
    start = end = argv[0];
    for (int i = 0; i < argc && argv[i] == end; i++) end = argv[i] + strlen(argv[i]) + 1;
    for (int i = 0; variables[i] != NULL && variables[i] == end; i++) end = variables[i] + strlen(variables[i]) + 1;
}

static int move_environment(void) {
    int count = 0;
    while (environ != NULL && environ[count] != NULL) count++;
    char **copy = calloc((size_t)count + 1, sizeof *copy);
    if (copy == NULL) return -1;
    for (int i = 0; i < count; i++) {
        copy[i] = strdup(environ[i]);
        if (copy[i] == NULL) {
            while (i > 0) free(copy[--i]);
            free(copy);
            return -1;
        }
    }
    environ = copy;
    return 0;
}

void apus_set_title(const char *title) {
    static int moved;
    prctl(PR_SET_NAME, title);
    if (end - start < 2) return;
    if (!moved && move_environment() != 0) return;
    moved = 1;
    size_t room = (size_t)(end - start), length = strlen(title);
    if (length > room - 1) length = room - 1;
    memcpy(start, title, length);
    memset(start + length, 0, room - length);
}
